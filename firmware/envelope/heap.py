"""What MicroPython's heap makes slow: every allocation of several blocks is looked for from the first small hole on."""

from micropython import const

_HOLES = const(80)

filled_to = 0


def fill_holes() -> None:
    """Take the smallest holes by tuples of one block (16 bytes) each, until garbage is collected the next time.

    Before much is allocated: the search begins at the first free block; only an allocation of one block moves it on.
    It saves a signature in the kernel a fifth of its instructions. New objects lie higher up while it lasts.
    """
    global filled_to
    if not 0 < filled_to < id([]):
        all(zip(bytes(_HOLES)))
        filled_to = id([])
