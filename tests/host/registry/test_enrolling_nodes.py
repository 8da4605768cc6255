"""The registry of nodes: enrol, find, revoke; what is kept and what is not."""

import os
import stat

import pytest
from sealing import CONFIGURATION, SealingNode, cose_thumbprint, enrolled, example_report
from sqlalchemy import select

from hadeda.city import City
from hadeda.collect import Collector
from hadeda.errors import CityError
from hadeda.registry import Chain, Epoch, find_node, nodes, revoke
from hadeda.registry.revoking import revoked_ids


def epochs(city: City) -> list[Epoch]:
    """Those that were opened: without the ones expected."""
    with city.database.read() as session:
        return list(session.scalars(select(Epoch).where(Epoch.state != "expected").order_by(Epoch.id)))


def chains(city: City) -> list[Chain]:
    with city.database.read() as session:
        return list(session.scalars(select(Chain).order_by(Chain.id)))


def test_a_node_enrols_with_its_first_epoch(city: City) -> None:
    sealing = enrolled(city)
    (node,) = nodes(city.database)
    assert (node.name, node.node_id, node.identity) == ("corner", sealing.node_id.hex(), sealing.public)
    assert (node.board, node.firmware, node.enrolments) == ("esp32-s3-devkitc-1", "0.1.0", 1)
    (epoch,) = epochs(city)
    assert (epoch.number, epoch.state, epoch.kid) == (1, "current", sealing.keys["kid"])
    (chain,) = chains(city)
    assert (chain.first, chain.head, chain.state, chain.root_key) == (1, 1, "current", sealing.root)
    thumbprints = {str(role): cose_thumbprint(public).hex() for role, public in city.authorities().items()}
    assert node.authorities == chain.authorities == thumbprints


def test_passwords_of_the_configuration_are_not_kept(city: City) -> None:
    enrolled(city)
    (node,) = nodes(city.database)
    assert set(node.configuration) == {"board", "version", "sensors"}
    city.database.close()
    assert b"wifi-secret" not in (city.directory / "city.db").read_bytes()


def test_a_node_without_a_name_is_called_by_its_id(city: City) -> None:
    sealing = enrolled(city, name="")
    assert nodes(city.database)[0].name == f"node-{sealing.node_id.hex()[:8]}"


def test_two_nodes_in_service_never_share_a_name(city: City) -> None:
    enrolled(city)
    with pytest.raises(CityError, match="another node is called corner"):
        enrolled(city)
    assert len(nodes(city.database)) == 1
    revoke(city.database, "corner")
    second = enrolled(city)
    assert find_node(city.database, "corner").node_id == second.node_id.hex()


@pytest.mark.parametrize("name", ["x" * 65, "a\tb"])
def test_names_that_cannot_be(city: City, name: str) -> None:
    with pytest.raises(CityError, match="cannot be a node's name"):
        enrolled(city, name=name)
    assert nodes(city.database) == []


def test_enrolling_again_gives_fresh_keys_and_keeps_the_past_readable(city: City) -> None:
    sealing = enrolled(city)
    nonce = os.urandom(16)
    again = sealing.enrol(city.collector_public, nonce)
    node = city.enrol(again, nonce, name="corner", configuration=CONFIGURATION)
    assert node.enrolments == 2
    past, current = epochs(city)
    assert (past.state, current.state, current.number) == ("past", "current", 1)
    assert [chain.root_key for chain in chains(city)] == [None, sealing.root]


def test_a_node_whose_identity_was_replaced_before_it_was_revoked_does_not_come_back_with_the_old_one(
    city: City,
) -> None:
    sealing, collector = enrolled(city), Collector(city)
    collector.receive(sealing.rekey(new_identity=True))
    assert sealing.pending is not None
    assert collector.receive(sealing.pending.seal(example_report(), 0)).node == "corner"
    revoke(city.database, "corner")
    for node in (sealing, sealing.pending):
        nonce = os.urandom(16)
        with pytest.raises(CityError, match="was revoked"):
            city.enrol(node.enrol(city.collector_public, nonce), nonce, name="x", configuration=CONFIGURATION)


def test_a_revoked_node_does_not_come_back(city: City) -> None:
    sealing = enrolled(city)
    first = revoke(city.database, sealing.node_id.hex()[:8])
    assert revoke(city.database, "corner").revoked_at == first.revoked_at
    nonce = os.urandom(16)
    with pytest.raises(CityError, match="was revoked"):
        city.enrol(sealing.enrol(city.collector_public, nonce), nonce, name="x", configuration=CONFIGURATION)


def test_the_list_of_revoked_nodes_is_added_to_line_by_line(city: City) -> None:
    path = city.directory / "revoked.txt"
    first, second = enrolled(city), enrolled(city, "other")
    revoke(city.database, "corner")
    assert path.read_text() == f"{first.node_id.hex()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open("a") as file:
        file.write("0123")  # the power failed
    revoke(city.database, "other")
    revoke(city.database, "other")
    assert path.read_text() == f"{first.node_id.hex()}\n0123\n{second.node_id.hex()}\n"
    assert revoked_ids(city.database) == {first.node_id.hex(), second.node_id.hex()}


def test_a_list_that_cannot_be_written_is_one_line_and_revokes_nothing(city: City) -> None:
    enrolled(city)
    (city.directory / "revoked.txt").mkdir()
    with pytest.raises(CityError, match=r"revoked\.txt"):
        revoke(city.database, "corner")
    assert find_node(city.database, "corner").revoked_at is None


def test_a_node_that_only_the_list_knows_is_not_enrolled(city: City) -> None:
    sealing, nonce = SealingNode(), os.urandom(16)
    (city.directory / "revoked.txt").write_text(f"{sealing.node_id.hex()}\n")
    with pytest.raises(CityError, match="was revoked"):
        city.enrol(sealing.enrol(city.collector_public, nonce), nonce, name="x", configuration=CONFIGURATION)


def test_finding_nodes(city: City) -> None:
    for text in ("corner", "", "abc", "%", "____"):
        with pytest.raises(CityError, match="no node is called"):
            find_node(city.database, text)
    sealing = SealingNode()
    enrolled(city)
    with pytest.raises(CityError):
        find_node(city.database, sealing.node_id.hex())


def test_the_database_says_what_is_wrong_with_it(city: City) -> None:
    city.database.close()
    (city.directory / "city.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(CityError, match=r"database .*city\.db cannot be used"):
        nodes(city.database)
