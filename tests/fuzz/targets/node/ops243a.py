"""What comes down the Doppler radar's wire, in pieces of any size: passages and faults, and nothing else."""

from wire import heard

from sensors import ops243a

_UNITS = b'{"Units":"km-per-hr"}\r\n'


def one_input(data):
    out = heard(ops243a, {}, data)
    for cls, direction, speed_kmh in out.passages:
        if cls != ops243a.CLASS or direction not in ("approaching", "receding") or not 0 <= speed_kmh <= 250:
            raise AssertionError("a passage that cannot be")
    return bool(out.passages)


def seeds():
    # It says its units, a piece each time the driver sleeps, until the driver has told it everything and asks for them
    told = bytes((len(_UNITS) - 1,)) + _UNITS * 8
    line = b'{"magnitude":"467.72","speed":"-35.25"}\r\n'
    mixed = b'{"speed":58.5, "direction":"outbound", "time":105, "tick":135}\r\n{"SamplingRate":20000}\r\n'
    return [
        told + line * 8,
        told + b'{"unit":"kmph","speed":["35.2","12.1"]}\r\n' * 6,
        told + mixed * 6 + b'"mps",-3.6\r\n-3.6\r\n',
    ]
