"""What comes down the radar's wire, in pieces of any size: passages and faults, and nothing else."""

from wire import heard

from sensors import ld2451


def one_input(data):
    out = heard(ld2451, {}, data)
    for cls, direction, speed_kmh in out.passages:
        if cls != ld2451.CLASS or direction not in ("approaching", "receding") or not 0 <= speed_kmh <= 250:
            raise AssertionError("a passage that cannot be")
    return bool(out.passages)


def seeds():
    end = b"\xf8\xf7\xf6\xf5"
    drive = b""
    for step in range(24):
        target = bytes((0x80, 90 - 2 * step, 1, 72, 30))
        drive += b"\xf4\xf3\xf2\xf1\x07\x00\x01\x01" + target + end
    acknowledged = b"\xfd\xfc\xfb\xfa\x04\x00\xff\x01\x00\x00\x04\x03\x02\x01"
    return [b"\xff" + drive, b"\x0d" + acknowledged + drive, b"\xffnoise" + drive[:30] + drive]
