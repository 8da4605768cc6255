"""Small damage to an input, the same for the same turn: for every Python there is."""

_MULTIPLIER, _MODULUS = 48271, 2147483647
_SHARP = (0, 1, 0x17, 0x18, 0x1B, 0x1F, 0x40, 0x5B, 0x7F, 0x80, 0x81, 0x9F, 0xBF, 0xF6, 0xF7, 0xFB, 0xFF)
_CHANGES_MAX = 4


class _Dice:
    def __init__(self, seed):
        self._state = seed % (_MODULUS - 1) + 1

    def below(self, limit):
        self._state = self._state * _MULTIPLIER % _MODULUS
        return self._state % limit


def mutated(data, other, turn):
    """`data` with one to four changes; some take bytes from `other`."""
    dice = _Dice(turn * 7919 + len(data))
    dice.below(2)
    for _ in range(1 + dice.below(_CHANGES_MAX)):
        data = _changed(data, other, dice)
    return data


def _changed(data, other, dice):
    at = dice.below(len(data) + 1)
    stop = min(len(data), at + 1 + dice.below(16))
    kind = dice.below(8)
    if kind == 0 and at < len(data):
        return data[:at] + bytes((data[at] ^ 1 << dice.below(8),)) + data[at + 1 :]
    if kind == 1:
        return data[:at] + bytes((_SHARP[dice.below(len(_SHARP))],)) + data[at + 1 :]
    if kind == 2:
        return data[:at] + data[stop:]
    if kind == 3:
        return data[:at] + data[at:stop] * 2 + data[stop:]
    if kind == 4:
        return data[:at] + bytes([dice.below(256) for _ in range(dice.below(8))]) + data[at:]
    if kind == 5:
        return data[:at]
    if kind == 6:
        return data[:at] + bytes((_SHARP[dice.below(len(_SHARP))],)) * (1 << dice.below(10)) + data[at:]
    start = dice.below(len(other) + 1)
    return data[:at] + other[start : start + 32] + data[at:]
