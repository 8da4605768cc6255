"""The three laws: plaintext never touches flash, a counter is spent before it is used, a window is released once."""

from collections.abc import Callable

import cbor2
import flash_image
from lamp_post import MORNING, LampPost, Template
from mqtt_proxy import PubackEater

from hadeda.collect.collector import Status
from hadeda.envelope import parse_sealed
from hadeda.simulate.invariants.flash_opaque import fragments


def test_a_thief_with_the_flash_finds_no_report_and_no_passage(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post(start=MORNING)
    post.open_city()
    post.power_on()
    post.run_windows(2)
    post.power_off()
    post.wait_without_power(20)
    post.emulated.radio.in_reach = False
    post.power_on()
    post.run_until(post.clock_s + 100)  # reports wait in flash, and a window is open
    post.power_off()
    image = post.emulated.flash.image()
    waiting = [path for path in post.files() if path.endswith(".seg")]
    assert waiting, post.explain("nothing waits: this test sees nothing")
    post.emulated.radio.in_reach = True
    post.power_on()
    post.run_windows(1)
    post.wait_stored(4)
    looked_for = set().union(*(fragments(post.opened(sealed).payload) for sealed in post.collector.messages))
    assert len(looked_for) > 100
    found = [piece.hex() for piece in looked_for if piece in image or piece in post.emulated.flash.image()]
    assert not found, f"plaintext in flash: {found}"


def test_what_a_thief_does_find_is_what_the_documentation_says(raise_post: Callable[..., LampPost]) -> None:
    """Keys, the Wi-Fi password and the broker's login are readable: flash is not encrypted, known and stated."""
    post = raise_post()
    files = post.files()
    config = cbor2.loads(files["/config.cbor"])
    assert config["wifi"]["password"] == post.city.secrets.wifi_password
    assert config["broker"]["password"] == post.city.secrets.broker_password
    names = {path for path in files if not path.startswith(("/lib/", "/combs/"))}
    assert names <= {"/boot.py", "/main.py", "/config.cbor"}, names
    image = post.emulated.flash.image()
    assert post.city.secrets.city_password.encode() not in image, "the city's own login is on the node"
    beside = image.replace(flash_image.key_sectors(image, post.board), b"")
    for name in ("private", "root"):
        assert image.count(post.secrets[name]) == 1, f"the {name} key is not just once where the node keeps it"
        assert post.secrets[name] not in beside, f"the {name} key is outside its sectors"


def test_no_private_key_ever_crosses_the_serial_line(template: Template) -> None:
    secrets = flash_image.node_secrets(template.flash.read_bytes(), template.board)
    line = template.transcript
    assert secrets["public"].hex().encode() in line, "the tap did not see the enrolment: this test sees nothing"
    for secret in (secrets["private"], secrets["root"]):
        number = int.from_bytes(secret, "big")
        forms = [secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode(), str(number).encode()]
        assert not [form for form in forms if form in line]


def numbers(post: LampPost) -> dict[tuple[bytes, int], set[bytes]]:
    """(kid, sequence) of everything the broker has seen -> the different bytes it came in."""
    seen: dict[tuple[bytes, int], set[bytes]] = {}
    for sealed in post.collector.messages:
        message = parse_sealed(sealed)
        seen.setdefault((message.kid, message.sequence), set()).add(sealed)
    return seen


def test_a_lost_puback_makes_the_same_bytes_come_again(raise_post: Callable[..., LampPost]) -> None:
    post = raise_post(tls=False)
    broker = post.broker(port=post.city.settings.broker.port + 1, tls=False)
    broker.start()
    post.collect_plain(broker.port)
    with PubackEater(post.city.settings.broker.port, broker.port, eat=2) as line:
        post.power_on()
        post.run_until(lambda: post.count(Status.REPEATED) >= 2 and post.count(Status.STORED) >= 2)
        assert line.eaten == 2
    assert [len(found) for found in numbers(post).values()] == [1] * len(numbers(post))
    assert post.collector.messages[0] == post.collector.messages[1] == post.collector.messages[2]
    assert len(post.stored) == post.count(Status.STORED)
    assert post.count(Status.REJECTED) == 0
