"""A node's label: its code reads with an independent reader, it says the public name, and nothing secret is on it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from typer.testing import CliRunner

from hadeda.city import City
from hadeda.cli.main import app
from hadeda.errors import CityError
from hadeda.provision.node_label import HEIGHT_MM, WIDTH_MM, write_label
from hadeda.registry import Node

NAMES = [
    "corner",
    "node-8109afa0",
    "Straße $5 & Söhne <b>",
    "a very long name of a lamp post on a very long road, 64 signs..",
]


def node(name: str = "corner") -> Node:
    return Node(node_id="ab" * 32, name=name, identity=b"\4" + bytes(64), revoked_at=None)


def code_of(picture: Path) -> str:
    """What ZXing reads."""
    with Image.open(picture) as opened:
        (found,) = zxingcpp.read_barcodes(opened.convert("L"))
    assert found.format == zxingcpp.BarcodeFormat.QRCode
    return found.text


@pytest.mark.parametrize("name", NAMES)
def test_the_code_says_both_names(tmp_path: Path, name: str) -> None:
    said = write_label(node(name), "My City", tmp_path / "label.png")
    assert code_of(tmp_path / "label.png") == said == f"Hadeda sensor node {name}, My City"


def test_the_code_leads_to_an_address_with_the_name_in_it(tmp_path: Path) -> None:
    write_label(node("post 3/4"), "My City", tmp_path / "label.png", "https://city.example/nodes/{node}?from=label")
    assert code_of(tmp_path / "label.png") == "https://city.example/nodes/post%203%2F4?from=label"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "city.example", "https://city.example/a b", "https://" + "x" * 200]
)
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(CityError, match="no address for a label"):
        write_label(node(), "My City", tmp_path / "label.svg", url)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_every_word_has_room_on_the_label(tmp_path: Path, name: str) -> None:
    """Nothing black within a millimetre of an edge."""
    write_label(node(name), "The City of Long Names, by the Sea and the Mountain", tmp_path / "label.png")
    with Image.open(tmp_path / "label.png") as opened:
        grey = opened.convert("L")
    millimetre = round(grey.width / WIDTH_MM)
    inside = grey.point(lambda level: 255 if level < 128 else 0).getbbox()
    assert inside is not None
    assert min(inside[0], inside[1], grey.width - inside[2], grey.height - inside[3]) >= millimetre, inside


def test_a_page_prints_in_the_labels_size_and_takes_no_name_for_markup(tmp_path: Path) -> None:
    write_label(node("<script>alert(1)</script>"), "My City", tmp_path / "label.html")
    page = (tmp_path / "label.html").read_text()
    assert f"@page {{ size: {WIDTH_MM}mm {HEIGHT_MM}mm" in page
    assert "<script" not in page
    assert page.count("<svg") == 1


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_the_same_node_has_the_same_label_with_no_id_on_it(tmp_path: Path, suffix: str) -> None:
    one, other = tmp_path / f"one.{suffix}", tmp_path / f"other.{suffix}"
    for file in (one, other):
        write_label(node(), "My City", file)
    text = one.read_text()
    assert text == other.read_text()
    assert "corner" in text
    assert not re.search("(ab){4}", text)


def test_a_name_that_our_fonts_lack_a_sign_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CityError, match="our fonts lack a sign"):
        write_label(node("\u8857\u89d2"), "My City", tmp_path / "label.pdf")


def test_who_is_revoked_gets_no_label(tmp_path: Path) -> None:
    gone = node()
    gone.revoked_at = datetime.now(UTC)
    with pytest.raises(CityError, match="was revoked"):
        write_label(gone, "My City", tmp_path / "label.svg")


def test_the_command_and_a_node_that_is_not_enrolled(tmp_path: Path) -> None:
    City.init(tmp_path / "city", "My City").close()
    given = CliRunner().invoke(app, ["node", "label", "corner", "--city", str(tmp_path / "city")])
    assert given.exit_code == 1
    assert "no node is called corner: see `hadeda node list`" in given.stderr


@pytest.mark.parametrize("name", ["label.doc", "missing/label.svg", "missing/label.html"])
def test_a_file_that_will_not_do_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CityError, match=r"is no picture's name|cannot be written"):
        write_label(node(), "My City", tmp_path / name)
