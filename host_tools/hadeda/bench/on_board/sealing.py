# mypy: ignore-errors
"""MicroPython that runs under QEMU: measures what a sealed report, a letter and a re-key are made of."""

import gc

from on_board.counting import cost, drbg

from envelope import aes_ccm, cbor, cose, ecdh, ecdh_es, ecdsa, hkdf, keys, labels, p256, p256_table
from node import combs, ready
from ports import table

PIECE = 512
REPORT = {
    labels.REPORT_START: 1654041600,
    labels.REPORT_WINDOW: 900,
    labels.REPORT_CLOCK: labels.CLOCK_SYNCHRONISED,
    labels.REPORT_AIR: {
        1: [90, 1834, 52, 61],
        2: [90, 6120, 210, 180],
        3: [90, 101325, 12, 9],
        4: [88, 81, 20, 33],
        5: [88, 123, 41, 77],
    },
    labels.REPORT_TRAFFIC: b"\x00\x0c\x00\x1e\x00\x07\xff\xff\x00\x0b\x00\x1c\x00\x09\xff\xff",
    labels.REPORT_HEALTH: [1, 60, 1, 17],
    labels.REPORT_PRIVACY: [1, 500000, 24000000, labels.UNIT_PASSAGE_WINDOW],
    labels.REPORT_OUTBOX: [300, 3],
}


def fits(pieces, action):
    """Whether `action()` succeeds with so many pieces of 512 bytes free, wherever they lie, and nothing else."""
    gc.collect()
    held = [None] * 1500
    reserve = [bytearray(PIECE - 16) for _ in range(pieces)]  # 16 bytes more for the object itself
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


class Flash:
    """The files of combs, as provisioning leaves them."""

    def tables(self, path, count, size):
        try:
            return table.tables(path, count, size)
        except OSError:
            return ()


FLASH = Flash()


def publics(number):
    """Print the public keys whose combs the measurements of `number` need: one of its own, receipt and command key."""
    randomness = drbg(number)
    randomness.generate(200)
    downlink = drbg(number)
    for source in (randomness, downlink, downlink):
        print(ecdsa.make_key(source)[1].hex())


def check(public, message, signature):
    """Check a signature as a node does one of the city's keys: with the comb that is on its flash."""
    return ecdsa.Verifier(public, combs.read(FLASH, public)).verify(message, signature)


def measure_known(number):
    """One key with a comb, one message, one command: what a kernel does, too. Returns key, message and signature."""
    randomness = drbg(number)
    message = randomness.generate(200)
    box = []
    cost("make_key", lambda: box.append(ecdsa.make_key(randomness)))
    private, public = box.pop()
    cost("sign", lambda: box.append(ecdsa.sign(private, message, randomness)))
    signature = box.pop()
    if not combs.read(FLASH, public):
        raise ValueError("no comb of the key")
    cost("verify", lambda: box.append(check(public, message, signature)))
    if box != [True] or check(public, message + b"!", signature):
        raise ValueError("the signature does not verify")
    downlink = Downlink(number)
    cost("open_command", downlink.open_command_known)
    cost("open_letter", downlink.open_known)
    return public, message, signature


def measure_signatures(number):
    """The same, and what is done with points that are met once."""
    public, message, signature = measure_known(number)
    box = []
    cost("verify_unknown", lambda: box.append(ecdsa.verify(public, message, signature)))
    other, _ = ecdsa.make_key(drbg(number))
    cost("ecdh", lambda: ecdh.agree(other, public, drbg(number)))
    if box != [True]:
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
    cost("root", lambda: keys.root(key, data[:16], data[16:48], data[48:80]))
    cost("content_key", lambda: ecdh_es.content_key(key))
    signed = randomness.generate(203)  # COSE_Sign1 around the least payload
    aad = cose.enc_structure(b"\xa1\x01\x18\x1e", cose.external_aad(0, 3, data[:4], b"\x01\x2c"))
    cost("aes_ccm", lambda: aes_ccm.encrypt(key[:16], data[:13], signed, aad))


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


class Keys:
    """What a ready message takes from the key store: the identity's key pair."""

    def __init__(self, pair):
        self.private, self.public = pair


class Downlink:
    """A letter with a command, sealed as the city does, and the node's ways to open it."""

    def __init__(self, number):
        randomness = drbg(number)
        receipt, self.receipt = ecdsa.make_key(randomness)
        commander, self.commander = ecdsa.make_key(randomness)
        self.node_id = randomness.generate(32)
        self.epoch_keys = keys.epoch(receipt, 1)
        self.aad = cbor.encode([labels.PROFILE, "command", self.node_id])
        self.command = cose.sign1(cbor.encode({1: 2070000000, 2: 5, 3: 9, 4: {}}), self.aad, commander, randomness)
        letter = cbor.encode({1: 301, 2: self.command, 3: bytes(8)})
        self.sender = keys.thumbprint(self.receipt)
        parties = self.sender, self.node_id, receipt
        self.letter = cose.seal(letter, self.epoch_keys, 1, labels.DIRECTION_DOWN, 2070000001, *parties, randomness)

    def open(self, comb):
        """Open both layers; `comb` gives the comb of a key."""
        parties = self.sender, self.node_id, ecdsa.Verifier(self.receipt, comb(self.receipt))
        _, payload = cose.open(self.letter, self.epoch_keys, 1, labels.DIRECTION_DOWN, *parties)
        del parties
        command = cbor.decode(payload)[labels.LETTER_COMMAND]
        cbor.decode(cose.open_sign1(command, self.aad, ecdsa.Verifier(self.commander, comb(self.commander))))

    def open_command_known(self):
        """The command alone, with its key's comb on the flash."""
        verifier = ecdsa.Verifier(self.commander, combs.read(FLASH, self.commander))
        cbor.decode(cose.open_sign1(self.command, self.aad, verifier))

    def open_known(self):
        """With the combs on the flash."""
        self.open(lambda public: combs.read(FLASH, public))

    def open_unknown(self):
        """Without, as after a command brought new keys."""
        self.open(lambda _public: ())


def begin_rekey(number):
    """(a function that makes a ready message, one that makes it with a new identity)."""
    randomness = drbg(number)
    own = Keys(ecdsa.make_key(randomness))
    authorities = {labels.ROLE_COLLECTOR: ecdsa.make_key(randomness)[1]}

    def plain():
        return ready.make(own, 65, authorities, None, None, 0, randomness)

    def replaced():
        new = ecdsa.make_key(randomness)
        return ready.make(own, 65, authorities, new[0], new[1], 0, randomness)

    return plain, replaced


def measure_downlink(number):
    """A letter with a command, and what a re-key takes."""
    downlink = Downlink(number)
    cost("open_letter_unknown", downlink.open_unknown)
    plain, replaced = begin_rekey(number)
    cost("ready", plain)
    cost("ready_identity", replaced)


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
    """Bytes: the generator's table, and the least free heap that each of these succeeds on."""
    randomness = drbg(1)
    private, public = ecdsa.make_key(randomness)
    message = randomness.generate(200)
    signature = ecdsa.sign(private, message, randomness)
    print("table_bytes", sum(map(len, p256_table.GENERATOR)))
    print("heap_peak_bytes", heap_need(lambda: ecdsa.sign(private, message, randomness)))
    print("verify_heap_peak_bytes", heap_need(lambda: check(public, message, signature)))
    gc.collect()


def measure_downlink_heap():
    """Bytes: the least free heap that opening a letter with a command and beginning a re-key succeed on."""
    downlink = Downlink(1)
    print("open_letter_heap_peak_bytes", heap_need(downlink.open_known, 96))
    plain, _ = begin_rekey(1)
    print("ready_heap_peak_bytes", heap_need(plain, 96))
    gc.collect()
