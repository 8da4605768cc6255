"""What a window keeps of one air channel, however long it is."""

from micropython import const

_READINGS_MAX = const(65535)


class Channel:
    """n, sum, minimum and maximum of one air channel."""

    def __init__(self) -> None:
        self.n = 0
        self.total = 0
        self.low = 0
        self.high = 0

    def add(self, value: int) -> None:
        if not self.n or value < self.low:
            self.low = value
        if not self.n or value > self.high:
            self.high = value
        self.n += 1
        self.total += value

    def release(self) -> "list[int]":
        """[n (65535: that many or more), mean (half rounds up), mean - minimum, maximum - mean]; starts anew."""
        mean = (2 * self.total + self.n) // (2 * self.n)
        row = [min(self.n, _READINGS_MAX), mean, mean - self.low, self.high - mean]
        self.n = 0
        self.total = 0
        return row
