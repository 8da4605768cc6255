"""What a board at the cable says of itself is believed only where it is a whole id."""

from typing import cast

import pytest
from sealing import enrolled

from hadeda.city import City
from hadeda.errors import ProvisionError
from hadeda.provision.port import NodePort
from hadeda.provision.steps import standing


class Board:
    """A port behind which something answers."""

    def __init__(self, said: str) -> None:
        self._said = said

    def run(self, _code: str) -> str:
        """What it printed."""
        return self._said


def says(city: City, said: str) -> tuple[str, str | None]:
    state, node = standing(cast("NodePort", Board(said)), city)
    return state, None if node is None else node.name


def test_a_node_of_the_city_is_known_by_its_whole_id(city: City) -> None:
    node = enrolled(city)
    assert says(city, f"STATUS enrolled {node.node_id.hex()}") == ("enrolled", "corner")
    assert says(city, f"STATUS pending {node.node_id.hex()}") == ("pending", "corner")
    assert says(city, f"STATUS enrolled {bytes(32).hex()}") == ("enrolled", None)
    assert says(city, "STATUS unprovisioned") == ("unprovisioned", None)
    assert says(city, "") == ("unprovisioned", None)


@pytest.mark.parametrize("said", ["corner", "%", "0" * 63, "0" * 65, "A" * 64])
def test_a_board_cannot_name_another_node_by_its_name_or_half_an_id(city: City, said: str) -> None:
    """With --replace, the node that is found is revoked."""
    node = enrolled(city)
    for text in (said, node.node_id.hex()[:8]):
        with pytest.raises(ProvisionError, match="no node's id"):
            says(city, f"STATUS enrolled {text}")
