"""The node's own code on the board: it seals what `cryptography` opens, by each engine for P-256 that the chip has."""

import json
import os
from collections.abc import Callable

import pytest
from mpremote_board import PortedBoard

from hadeda.envelope import Candidate, epoch_keys, labels, parse_sealed, thumbprint
from hadeda.envelope.opening import open_self_test
from hadeda.provision.port import NodePort
from hadeda.provision.shipment import kernel, shipment
from hadeda.provision.steps import KERNEL_MPY, KERNEL_MPY_MASK

LIBRARY = "/lib/"
FOLDERS = ("envelope", "ports")
SEAL = """
import gc, json, sys, time
gc.threshold(2048)
sys.path.insert(0, {folder!r})
from binascii import hexlify, unhexlify
from envelope import cbor, cose, ecdsa, keys
from envelope.drbg import Drbg
if {with_kernel}:
    ecdsa.use_kernel()
drbg = Drbg(unhexlify({entropy!r}))
private, public = ecdsa.make_key(drbg)
payload = cbor.encode({{1: unhexlify({nonce!r})}})
epoch = keys.epoch(unhexlify({root!r}), 1)
began = time.ticks_ms()
sealed = cose.seal(payload, epoch, 1, {direction}, 5, keys.thumbprint(public), bytes(32), private, drbg)
took = time.ticks_diff(time.ticks_ms(), began)
print(json.dumps([hexlify(public).decode(), hexlify(sealed).decode(), ecdsa.kernel, took]))
"""


@pytest.fixture(scope="module")
def carries(plugged_in: PortedBoard) -> dict[str, bytes]:
    """The node's code below /lib, and the kernel where the board takes it."""
    mpy = int(plugged_in.exec("import sys; print(sys.implementation._mpy)"))
    parcels = shipment() | (kernel() if mpy & KERNEL_MPY_MASK == KERNEL_MPY else {})
    ours = {path.removeprefix(LIBRARY): data for path, data in parcels.items()}
    return {path: data for path, data in ours.items() if path.split("/")[0] in FOLDERS}


def test_the_board_says_what_it_is(board: PortedBoard, record_property: Callable[[str, object], None]) -> None:
    said = board.exec("import os, sys; print(os.uname().machine, sys.version.split('; ')[-1], sep=', ')").strip()
    assert "MicroPython" in said
    record_property("board", said)


@pytest.mark.parametrize("with_kernel", [False, True])
def test_the_board_seals_and_the_host_opens(
    board: PortedBoard,
    folder: str,
    carries: dict[str, bytes],
    with_kernel: bool,
    record_property: Callable[[str, object], None],
) -> None:
    has_kernel = any(path.startswith("envelope/p256_kernel") for path in carries)
    if with_kernel and not has_kernel:
        pytest.skip("this chip runs no kernel for P-256")
    root, nonce = os.urandom(32), os.urandom(16)
    with NodePort(board.port) as port:
        port.run(f"import os\nfor name in {FOLDERS!r}: os.mkdir({folder + '/'!r} + name)")
        for path, data in carries.items():
            port.write_file(f"{folder}/{path}", data)
        port.start_afresh()
        program = SEAL.format(
            folder=folder,
            with_kernel=with_kernel,
            entropy=os.urandom(48).hex(),
            nonce=nonce.hex(),
            root=root.hex(),
            direction=labels.DIRECTION_SELF_TEST,
        )
        public_hex, sealed_hex, engine, took_ms = json.loads(port.run(program))
    public = bytes.fromhex(public_hex)
    assert engine == (labels.KERNEL_USED if with_kernel else labels.KERNEL_NONE)
    candidate = Candidate(thumbprint(public), public, bytes(32), 1, epoch_keys(root, 1))
    assert open_self_test(parse_sealed(bytes.fromhex(sealed_hex)), [candidate], nonce) == candidate
    if board.emulated is None:  # how fast this machine is, is no figure of a board
        record_property(f"sealed on the board, {'by the kernel' if with_kernel else 'in bytecode'}, ms", took_ms)
