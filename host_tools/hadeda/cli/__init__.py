"""The `hadeda` command: one command a file, `main.py` is only the table."""
