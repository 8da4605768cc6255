"""A chip's key blocks, when the power goes while they are burned, and when somebody else burned them."""

import subprocess
import sys
from pathlib import Path

import pytest
from virtual_chips import CHIPS, NAME, all_steps, make_signing_key, prepare, run

from hadeda.errors import FlashError
from hadeda.security import fuses, hardening
from hadeda.security.fuses import Place
from hadeda.security.standing import standing

ONE_BURN = """
import os, sys
import espefuse
from espefuse.efuse.base_fields import EfuseBlockBase

burn = EfuseBlockBase.burn_words
left = [1]

def burn_words(block, words):
    if not left:
        os._exit(9)
    left.pop()
    burn(block, words)

EfuseBlockBase.burn_words = burn_words
espefuse.main(sys.argv[1:])
"""


def test_a_key_whose_burning_is_cut_at_any_burn_is_taken_up_again(chip: str, place: Place, images: Path) -> None:
    """The power goes behind every single burn: the key is in, and not closed; it has a purpose, and is not closed."""
    prepare(place, images)
    for burning in [step for step in all_steps(place, "sealed", images) if step.arguments[0] == "burn-key"]:
        cuts = 0
        command = [sys.executable, "-c", ONE_BURN, *place.options(), "--do-not-confirm", *burning.arguments]
        while subprocess.run(command, capture_output=True, check=False).returncode == 9:
            found = fuses.read(place)
            due = [
                step.what for step in hardening.pending(all_steps(place, "sealed", images), found) if step.is_for_good
            ]
            assert due[0] == burning.what, "a key that is not closed passes for burned"
            cuts += 1
        assert cuts == (1 if chip == "esp32" else 2)
        assert burning.done(fuses.read(place))
    run(place, hardening.pending(all_steps(place, "sealed", images), fuses.read(place)))
    assert standing(fuses.read(place)).profile == "sealed"
    now = fuses.read(place)
    hidden = ["BLOCK1"] if chip == "esp32" else ["BLOCK_KEY0", "BLOCK_KEY2"]
    assert not any(now.by_name[block].readable or now.by_name[block].writeable for block in hidden)


@pytest.fixture
def half(chip: str, place: Place, images: Path, tmp_path: Path) -> str:
    """The name of the block that the flash's key is in, which nothing closes yet and which has its purpose."""
    key, turned = bytes(range(32)), tmp_path / "turned.key"
    (images / f"{NAME}-flash.key").write_bytes(key)
    turned.write_bytes(key[::-1])
    block = "BLOCK1" if chip == "esp32" else "BLOCK_KEY0"
    fuses.run(place, "burn-block-data", block, str(turned))
    if chip != "esp32":
        fuses.run(place, "burn-efuse", "KEY_PURPOSE_0", "XTS_AES_128_KEY")
    return block


def test_a_key_that_can_only_be_read_is_taken_up(half: str, place: Place, images: Path) -> None:
    """The power goes while the bits that close it are burned: this one first."""
    fuses.run(place, "write-protect-efuse", half)
    steps = all_steps(place, "sealed", images)
    burning = next(step for step in hardening.pending(steps, fuses.read(place)) if step.is_for_good)
    assert burning.what == "burn the key that encrypts the flash"
    run(place, [burning])
    assert burning.done(fuses.read(place))
    assert not fuses.read(place).by_name[half].readable


def test_a_key_that_is_hidden_but_not_closed_is_refused(half: str, place: Place, images: Path) -> None:
    """More of it could be burned by anybody, and it does not say whose it is."""
    fuses.run(place, "read-protect-efuse", half)
    with pytest.raises(FlashError, match=f"{half} was burned by half.*take another board"):
        all_steps(place, "sealed", images)


@pytest.mark.parametrize("chip", sorted(CHIPS.keys() - {"esp32"}))
@pytest.mark.parametrize("purpose", [(), ("SECURE_BOOT_DIGEST0",)])
def test_a_closed_block_without_its_purpose_for_good_is_no_key(
    purpose: tuple[str, ...], place: Place, images: Path
) -> None:
    """The ROM does not find the digest by its place; and who can change its purpose can have it sign nothing."""
    fuses.run(place, "burn-block-data", "BLOCK_KEY1", make_signing_key(place, images))
    if purpose:
        fuses.run(place, "burn-efuse", "KEY_PURPOSE_1", *purpose)
    fuses.run(place, "write-protect-efuse", "BLOCK_KEY1")
    (burning,) = [step for step in all_steps(place, "sealed", images) if "BLOCK_KEY1" in step.arguments]
    assert not burning.done(fuses.read(place))
    run(place, [burning])
    now = fuses.read(place)
    assert burning.done(now)
    assert (now.value("KEY_PURPOSE_1"), now.write_protected("KEY_PURPOSE_1")) == (9, True)


def test_a_block_with_no_purpose_for_good_is_refused(tmp_path: Path, images: Path) -> None:
    place = Place(None, tmp_path / "empty.bin", "esp32c3")
    (images / f"{NAME}-flash.key").write_bytes(bytes(range(32)))
    fuses.run(place, "write-protect-efuse", "KEY_PURPOSE_0")
    with pytest.raises(FlashError, match="what is in BLOCK_KEY0 is not from"):
        all_steps(place, "sealed", images)
    place = Place(None, tmp_path / "ours.bin", "esp32c3")
    fuses.run(place, "burn-key", "BLOCK_KEY1", make_signing_key(place, images), "USER")
    with pytest.raises(FlashError, match="BLOCK_KEY1 was burned by half"):
        all_steps(place, "sealed", images)


def test_a_chip_with_somebody_elses_keys_is_refused(tmp_path: Path, images: Path) -> None:
    place = Place(None, tmp_path / "efuses.bin", "esp32s3")
    key = tmp_path / "their.key"
    key.write_bytes(bytes(range(32)))
    fuses.run(place, "burn-key", "BLOCK_KEY0", str(key), "XTS_AES_128_KEY")
    with pytest.raises(FlashError, match="BLOCK_KEY0 is in use already"):
        all_steps(place, "sealed", images)


def test_a_key_in_another_block_or_a_revoked_one_is_refused(tmp_path: Path, images: Path) -> None:
    theirs = tmp_path / "their.key"
    theirs.write_bytes(bytes(range(32)))
    for purpose in ("SECURE_BOOT_DIGEST0", "XTS_AES_128_KEY"):
        place = Place(None, tmp_path / f"{purpose}.bin", "esp32c6")
        fuses.run(place, "burn-key", "BLOCK_KEY3", str(theirs), purpose)
        with pytest.raises(FlashError, match="somebody's key for flash or signatures is in BLOCK_KEY3"):
            all_steps(place, "sealed", images)
    place = Place(None, tmp_path / "revoked.bin", "esp32c6")
    fuses.run(place, "burn-efuse", "SECURE_BOOT_KEY_REVOKE0", "1")
    with pytest.raises(FlashError, match="revoked"):
        all_steps(place, "sealed", images)
