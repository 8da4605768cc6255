# mypy: ignore-errors
"""MicroPython that runs under QEMU: measures the node's own modules with the RISC-V machine timer.

Every call of `cost` prints one line, "name instructions"; the host makes the table (figures.py). The timer counts
instructions by hundreds under `-icount shift=0`, and reading it is subtracted.
"""

import gc

from machine import mem32

from envelope import aes_ccm, cbor, cose, ecdh, ecdsa, hkdf, keys, labels, p256, p256_table
from envelope.drbg import Drbg

MTIME = 0x0200BFF8
INSTRUCTIONS_A_TICK = 100
PIECE = 512
REPORT = {
    1: 1654041600,
    2: 900,
    3: 2,
    4: {
        1: [90, 1834, 52, 61],
        2: [90, 6120, 210, 180],
        3: [90, 101325, 12, 9],
        4: [88, 81, 20, 33],
        5: [88, 123, 41, 77],
    },
    5: [12, 30, 7, None, 11, 28, 9, 1],
    7: [1, 61440, 3, 0, 17],
}


def ticks(action):
    """Ticks of the machine timer that `action()` takes, on a heap that has just been collected."""
    gc.collect()
    start = mem32[MTIME]
    action()
    return mem32[MTIME] - start


EMPTY = ticks(lambda: None)


def cost(name, action):
    """Print what `action()` takes, in instructions."""
    print(name, (ticks(action) - EMPTY) * INSTRUCTIONS_A_TICK)


def drbg(number):
    """A generator of its own for every key, the same in every run."""
    return Drbg(number.to_bytes(32, "big"), b"hadeda bench")


def fits(pieces, action):
    """Whether `action()` succeeds with so many pieces of 512 bytes free, wherever they lie, and nothing else."""
    gc.collect()
    reserve = [bytearray(PIECE - 16) for _ in range(pieces)]  # 16 bytes more for the object itself
    held = [None] * 1500
    count = 0
    for size in (4096, 256, 16):
        try:
            while count < len(held):
                held[count] = bytearray(size)
                count += 1
        except MemoryError:
            pass
    let_go(reserve)
    good = True
    try:
        action()
    except MemoryError:
        good = False
    let_go(held)
    return good


def let_go(held):
    """Empty a list: the list itself may live on, seen from somewhere on the stack."""
    for at in range(len(held)):
        held[at] = None


def heap_need(action, limit=64):
    """The least free heap in bytes that `action()` succeeds on, by bisection over pieces of 512 bytes."""
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle, action):
            high = middle
        else:
            low = middle
    return high * PIECE


def with_free(free, action):
    """Run `action()` with so much heap free: how a sign fares beside everything else a node keeps in memory."""
    gc.collect()
    held = [None] * 400
    count = 0
    try:
        while gc.mem_free() > free and count < len(held):
            held[count] = bytearray(496)
            count += 1
    except MemoryError:
        pass
    action()
    let_go(held)


def measure_signatures(number):
    """One key, one message: everything that is done with P-256."""
    randomness = drbg(number)
    message = randomness.generate(200)
    box = []
    cost("make_key", lambda: box.append(ecdsa.make_key(randomness)))
    private, public = box.pop()
    cost("sign", lambda: box.append(ecdsa.sign(private, message, randomness)))
    signature = box.pop()
    verifier = ecdsa.Verifier(public)
    cost("verify_first", lambda: box.append(verifier.verify(message, signature)))
    cost("verify", lambda: box.append(verifier.verify(message, signature)))
    cost("verify_unknown", lambda: box.append(ecdsa.verify(public, message, signature)))
    other, _ = ecdsa.make_key(randomness)
    cost("ecdh", lambda: ecdh.agree(other, public, randomness))
    if box != [True, True, True] or verifier.verify(message + b"!", signature):
        raise ValueError("the signature does not verify")


def measure_crowded(number, free):
    """A sign with `free` bytes of heap."""
    randomness = drbg(number)
    private, _ = ecdsa.make_key(randomness)
    with_free(free, lambda: cost("sign_crowded", lambda: ecdsa.sign(private, b"message", randomness)))


def measure_symmetric(number):
    """One key, one message: hash, MAC, key schedule, CBOR, AES-CCM."""
    from hashlib import sha256

    randomness = drbg(number)
    key = randomness.generate(32)
    data = randomness.generate(200)
    report = cbor.encode(REPORT)
    cost("sha256", lambda: sha256(data).digest())
    cost("hmac", lambda: hkdf.hmac(key, data))
    cost("drbg_32", lambda: randomness.generate(32))
    cost("epoch_keys", lambda: keys.epoch(key, 7))
    cost("next_root", lambda: keys.next_root(key))
    cost("cbor_encode", lambda: cbor.encode(REPORT))
    cost("cbor_decode", lambda: cbor.decode(report))
    cost("aes_ccm", lambda: aes_ccm.encrypt(key[:16], data[:13], data, data[:40]))


def measure_seal(number):
    """A whole sealed report, and the same with signature or cipher left out (replaced by constants)."""
    randomness = drbg(number)
    private, public = ecdsa.make_key(randomness)
    epoch_keys = keys.epoch(private, 1)
    party = keys.thumbprint(public)
    report = cbor.encode(REPORT)

    def seal():
        return cose.seal(report, epoch_keys, 1, labels.DIRECTION_UP, 300, party, party, private, randomness)

    cost("seal", seal)
    encrypt, sign = aes_ccm.encrypt, ecdsa.sign
    aes_ccm.encrypt = lambda *arguments: arguments[2]
    cost("seal_without_aes", seal)
    ecdsa.sign = lambda *arguments: arguments[1][:64]
    cost("seal_without_aes_and_sign", seal)
    aes_ccm.encrypt, ecdsa.sign = encrypt, sign


def measure_field(number):
    """The steps signatures are made of."""
    randomness = drbg(number)
    a, b = [int.from_bytes(randomness.generate(32), "big") % p256.P for _ in range(2)]
    x, y = p256.G
    point = p256.double((x, y, 1, 1))
    p = p256.P
    cost("field_product", lambda: a * b)
    cost("field_multiply", lambda: a * b % p)
    cost("point_double", lambda: p256.double(point))
    cost("point_add", lambda: p256.add(point, x, y))
    cost("inverse", lambda: p256.inverse(a, p))


def measure_heap():
    """Bytes: the generator's table, and the least free heap a sign, a check and a seal succeed on."""
    randomness = drbg(1)
    private, public = ecdsa.make_key(randomness)
    message = randomness.generate(200)
    signature = ecdsa.sign(private, message, randomness)
    verifier = ecdsa.Verifier(public)
    verifier.verify(message, signature)
    print("table_bytes", sum([len(table) for table in p256_table.GENERATOR]))
    print("heap_peak_bytes", heap_need(lambda: ecdsa.sign(private, message, randomness)))
    print("verify_heap_peak_bytes", heap_need(lambda: verifier.verify(message, signature)))
    gc.collect()
