"""`hadeda node command NODE set-network FILE`: checked here, passwords nowhere but in the command while it waits."""

from pathlib import Path

import cbor2
import pytest

from hadeda.city.new_network import read_network
from hadeda.envelope import labels
from hadeda.errors import CityError

WHOLE = """
[wifi]
ssid = "square"
password = "lamp post 13"
[broker]
host = "new.example"
port = 1884
user = "nodes2"
password = "secret"
"""


def written(folder: Path, text: str) -> Path:
    """A file that says so."""
    file = folder / "network.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_becomes_arguments(tmp_path: Path) -> None:
    assert read_network(written(tmp_path, WHOLE)) == {
        labels.SET_NETWORK_SSID: "square",
        labels.SET_NETWORK_WIFI_PASSWORD: "lamp post 13",
        labels.SET_NETWORK_HOST: "new.example",
        labels.SET_NETWORK_PORT: 1884,
        labels.SET_NETWORK_USER: "nodes2",
        labels.SET_NETWORK_PASSWORD: "secret",
    }
    assert read_network(written(tmp_path, "[broker]\nport = 1")) == {labels.SET_NETWORK_PORT: 1}
    assert read_network(written(tmp_path, '[wifi]\nssid = "a"\npassword = ""')) == {1: "a", 2: ""}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[wifi]",
        '[wifi]\nssid = "square"',
        '[wifi]\nssid = ""\npassword = ""',
        '[wifi]\nssid = "' + "ü" * 17 + '"\npassword = ""',
        '[wifi]\npassword = "seven b"',
        '[wifi]\npassword = "' + "x" * 64 + '"',
        '[broker]\nhost = ""',
        '[broker]\nhost = "' + "x" * 65 + '"',
        "[broker]\nport = 0",
        "[broker]\nport = 65536",
        '[broker]\ntopic = "x"',
        "[ntp]",
        "no toml",
    ],
)
def test_what_no_node_takes_is_refused_and_no_password_is_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(CityError) as refused:
        read_network(written(tmp_path, text))
    assert "seven b" not in str(refused.value)
    assert "network.toml" in str(refused.value)


def test_the_longest_network_fits_a_letter() -> None:
    longest = {1: "s" * 32, 2: "p" * 63, 3: "h" * 64, 4: 65535, 5: "u" * 64, 6: "q" * 64}
    # command's own fields and signature, letter's fields and signature, both COSE layers: less than 400 bytes
    assert len(cbor2.dumps(longest)) + 400 < labels.SEALED_MAX
