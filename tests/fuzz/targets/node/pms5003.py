"""What comes down the particle sensor's wire, in pieces of any size: readings that can be, and faults."""

from wire import heard

from sensors import pms5003

SIZE = 32
# What is there before the sensor is asked is old
OLD = bytes(2 * SIZE)


def one_input(data):
    out = heard(pms5003, {"period_s": 10}, data)
    for channel, scaled in out.readings:
        if channel not in (4, 5, 6) or not 0 <= scaled <= 10000:
            raise AssertionError("a reading that cannot be")
    return bool(out.readings)


def seeds():
    first, second = _frame(8, 12, 17), _frame(1000, 5, 6)
    return [b"\x1f" + OLD + first, b"\x1f" + OLD + b"noise" + first + second + b"BM\x00\x04" + second]


def _frame(*values):
    data = b"BM\x00\x1c" + bytes(6)
    for value in values:
        data += value.to_bytes(2, "big")
    data += bytes(SIZE - 2 - len(data))
    return data + sum(data).to_bytes(2, "big")
