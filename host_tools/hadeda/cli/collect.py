"""`hadeda collect`: take reports from the broker until Ctrl-C. Exposes `command`."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from hadeda.city.rotation import erase_retired_keys
from hadeda.cli import output
from hadeda.cli.options import CityOption, JsonOption, KeyFileOption
from hadeda.cli.unlock import open_city
from hadeda.collect import Collector, MqttCollector, Outcome, Status
from hadeda.errors import BrokerError


def command(
    embedded_broker: Annotated[
        bool, typer.Option("--embedded-broker", help="Run a small broker here too, for trials on one machine.")
    ] = False,
    share: Annotated[
        str,
        typer.Option(
            "--share", metavar="NAME", help="Share the work with other collectors; each has a NAME of its own."
        ),
    ] = "",
    city_dir: CityOption = None,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take sealed reports from the city's broker: verify, decrypt, store each exactly once; refuse the rest.

    With --json one line for each message, and one with the totals at the end. Ctrl-C stops it, with exit status 0.

    Collectors that share get a message each in turn (MQTT shared subscription, Mosquitto has it). A NAME is the same
    again at the next start: what came while its collector was away waits for it. On several machines each has a copy of
    the city's folder, and the database is a PostgreSQL server's.
    """
    if share and embedded_broker:
        raise BrokerError("the embedded broker knows no shared subscriptions", "run Mosquitto: `hadeda city mosquitto`")
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.ERROR if as_json else logging.WARNING)
    with ExitStack() as opened:
        city = opened.enter_context(open_city(city_dir, key_file))
        erase_retired_keys(city)
        collector = Collector(city)
        if embedded_broker:
            from hadeda.collect.broker import EmbeddedBroker

            opened.enter_context(EmbeddedBroker(city))
        connection = MqttCollector(city, collector, _print_json if as_json else _print_line, share=share)
        connection.connect()
        stop = opened.enter_context(_stopped_by_signal())
        broker = city.settings.broker
        output.say(f"collecting for {city.settings.name} from {broker.host}:{broker.port}; Ctrl-C stops")
        connection.run(stop)
    totals = {status.value: collector.counts[status] for status in Status}
    if as_json:
        output.print_json(totals)
    else:
        output.say("stopped: " + ", ".join(f"{count} {name}" for name, count in totals.items()))


@contextmanager
def _stopped_by_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that a transaction is never cut in the middle."""
    stop = threading.Event()
    previous = {
        number: signal.signal(number, lambda _number, _frame: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _print_json(outcome: Outcome) -> None:
    output.print_json({key: value for key, value in asdict(outcome).items() if key != "letters"})


def _print_line(outcome: Outcome) -> None:
    if outcome.window_start is not None:
        typer.echo(f"{outcome.node}: window of {outcome.window_start:%Y-%m-%d %H:%M} UTC stored, {outcome.size} bytes")
    elif outcome.status is Status.READY:
        typer.echo(f"{outcome.node}: ready for fresh keys from epoch {outcome.epoch} on, {outcome.size} bytes")
