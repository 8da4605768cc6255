"""A technician at a node that sleeps deeply: Ctrl-C in the midst of a sample leaves him the board."""

from pathlib import Path

from lamp_post import LampPost, make_template
from mosquitto_process import free_port

from hadeda.board import load
from hadeda.emulator.surface import opcodes

SOLAR = "esp32-c3-devkitm-1-solar"
DEEPSLEEP_RESET = 4
BITES_S = 120  # the watchdog
LOOK_S = 14  # at a prompt board time is the computer's


def test_ctrl_c_between_sleeps_keeps_the_watchdog_quiet(tmp_path: Path) -> None:
    folder, post_folder = tmp_path / "template", tmp_path / "post"
    folder.mkdir()
    post_folder.mkdir()
    with LampPost(make_template(load(SOLAR), folder, free_port()), post_folder) as post:
        post.open_city()
        interrupt_the_third_sample(post)
        post.power_on()
        post.run_until(lambda: b"hadeda: interrupted" in post.emulated.output)
        before = list(post.emulated.resets)
        assert before[-1] == DEEPSLEEP_RESET, post.explain("that was no sample")
        post.run_until(post.clock_s + LOOK_S)
        assert post.emulated.resets == before
        due_us, now_us = post.emulated.watchdog.due_us, post.emulated.clock.now_us()
        assert due_us is not None
        assert due_us - now_us > (BITES_S - LOOK_S) * 1_000_000, post.explain("nobody has fed it since")


def interrupt_the_third_sample(post: LampPost) -> None:
    """Ctrl-C, once, as soon as a sensor is spoken to."""
    handlers = post.emulated._handlers
    measure = handlers[opcodes.I2C_WRITE]
    pressed = []

    def hear(payload: bytes) -> bytes:
        if post.emulated.wakes == 3 and not pressed:
            pressed.append(True)
            post.emulated.console.type(b"\x03")
        return measure(payload)

    handlers[opcodes.I2C_WRITE] = hear
