"""Runs before main.py, and before a raw REPL: whoever has opened a locked node keeps it for ten minutes, no longer."""

import micropython

# An uncaught Ctrl-C in here would lead to the REPL. There is no jump up to this line, and only a jump is interrupted
micropython.kbd_intr(-1)
try:
    import machine

    if machine.reset_cause() == machine.SOFT_RESET:
        from ports import maintenance

        if maintenance.left_ms():
            maintenance.hold()
except (Exception, KeyboardInterrupt):  # a Ctrl-C that came before that line, or no firmware yet: main.py decides
    pass
