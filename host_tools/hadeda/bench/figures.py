"""What the board prints, "name value" a line, becomes figures: medians and ranges over keys or seeds."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import median

from hadeda.bench.build import Yardstick
from hadeda.errors import BenchError

# In the answer's order: name on the board -> what it is.
SUBJECTS = {
    "sign": "ECDSA sign, blinding and fault check included",
    "sign_crowded": "the same with 32 KB of heap free, the rest full of data",
    "verify": "check a signature of a known key, whose comb is on the flash",
    "verify_unknown": "check a signature of a key without a comb",
    "make_key": "make a key pair",
    "ecdh": "ECDH with an unknown key",
    "sha256": "SHA-256 of 200 bytes",
    "hmac": "HMAC-SHA256 of 200 bytes",
    "drbg_32": "32 random bytes",
    "epoch_keys": "HKDF: the keys of an epoch",
    "next_root": "HKDF: the next root key",
    "root": "HKDF: the root key of a chain",
    "content_key": "HKDF: the key of a re-key message",
    "aes_ccm": "AES-CCM of a payload of 128 bytes, signed: 203 bytes (AES in C)",
    "cbor_encode": "CBOR: encode a report",
    "cbor_decode": "CBOR: decode a report",
    "seal": "sign and encrypt a report",
    "seal_without_aes": "the same without AES-CCM",
    "seal_without_aes_and_sign": "the same without AES-CCM and signature",
    "open_command": "check a signed command: a known key",
    "open_letter": "open a letter and its command: two known keys",
    "open_letter_unknown": "the same with two keys without combs, which a command brought",
    "ready": "begin a re-key: ephemeral key, ECDH, signature, encryption",
    "ready_identity": "the same with a new identity key and its proof",
    "field_product": "product of two 256-bit integers",
    "field_multiply": "the same modulo p",
    "point_double": "double a point",
    "point_add": "add an affine point",
    "inverse": "inverse modulo p",
    "noise_05": "noise of eight cells, epsilon 0.5",
    "noise_1": "noise of eight cells, epsilon 1",
    "noise_2": "noise of eight cells, epsilon 2",
    "passage": "put one passage into its cell",
    "ledger": "account for the window in the ledger, flash not counted",
    "release": "add the noise, hold eight cells against k, overwrite",
    "window": "a whole window: noise at epsilon 0.5, 92 passages, ledger, release",
    "sample_bme280": "one sample of the BME280: three readings, Adafruit's driver",
    "sample_pms5003": "one sample of the PMS5003: three readings",
    "sample_ld2451_nobody": "two seconds of the LD2451 radar, nobody there",
    "sample_ld2451": "the same while one vehicle goes by",
    "sample_grove_vision": "one answer of the Grove Vision camera with two road users in it",
    "sample_ble_footfall": "one look at the Bluetooth ear, with one address heard",
    "boot_import": "import one module that a boot needs",
    "footfall_open": "footfall: new salt, empty sketch, noise of one number",
    "footfall_device": "footfall: hash one address into the sketch",
    "footfall_release": "footfall: add the noise, hold it against k, overwrite",
}
# What is measured once more on a board that has the RISC-V kernel
WITH_KERNEL = ("sign", "sign_crowded", "verify", "make_key", "seal", "seal_without_aes", "open_command", "open_letter")
SUBJECTS.update({f"{name}_kernel": f"{SUBJECTS[name]}: with the RISC-V kernel" for name in WITH_KERNEL})
BYTES = {
    "table_bytes": "generator's table, bytes",
    "heap_peak_bytes": "least free heap for a sign, bytes",
    "verify_heap_peak_bytes": "the same for a check with a comb",
    "heap_peak_bytes_kernel": "least free heap for a sign with the RISC-V kernel",
    "verify_heap_peak_bytes_kernel": "the same for a check with a comb",
    "open_letter_heap_peak_bytes": "the same for a letter with a command",
    "ready_heap_peak_bytes": "the same for beginning a re-key",
    "growth_bytes": "growth of the heap in a score of samples, of each sensor",
    "report_bytes": "a report of five channels and eight cells, bytes",
    "privacy_row_bytes": "of these the privacy row",
    "padded_bytes": "that report, padded as it is sealed",
    "padded_without_bytes": "the same with true counts and no privacy row",
}


@dataclass(frozen=True)
class Figure:
    """Instructions: median, least and most over `runs` keys or seeds."""

    median: int
    min: int
    max: int
    runs: int


def parse(printed: str) -> dict[str, list[int]]:
    """Values by name, in the order they were printed. Raises BenchError for any other line."""
    found: dict[str, list[int]] = {}
    for line in printed.splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or not words[1].lstrip("-").isdigit():
            raise BenchError(f"the board printed {line!r}", "run it again; a defect if it stays")
        found.setdefault(words[0], []).append(int(words[1]))
    return found


def summarise(values: Iterable[int]) -> Figure:
    """Median and range."""
    ordered = sorted(values)
    return Figure(round(median(ordered)), ordered[0], ordered[-1], len(ordered))


def answer(values: Mapping[str, list[int]], yardstick: Yardstick) -> dict[str, object]:
    """What `hadeda bench ... --json` says: `<name>_instructions` medians, bytes, every figure's range, the tools."""
    figures = {name: summarise(values[name]) for name in SUBJECTS if name in values}
    said: dict[str, object] = {f"{name}_instructions": figure.median for name, figure in figures.items()}
    said.update({name: values[name][0] for name in BYTES if name in values})
    said["figures"] = {name: asdict(figure) for name, figure in figures.items()}
    tools = asdict(yardstick)
    tools.pop("elf")
    return said | tools
