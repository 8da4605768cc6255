"""The host tools' error tree.

HadedaError                 one line for the user: what happened, and what to do next; exit status 1
|-- BoardError              a board.toml (or a part's row) that cannot be right
|-- CityError               a city folder that is missing, already there or incomplete
|-- PortError               a serial port that is absent, busy or not MicroPython
|-- FlashError              a firmware file that does not fit a board, or a board that cannot be flashed
|-- ProvisionError          a node that answers, but cannot be provisioned
|-- BrokerError             the MQTT broker cannot be reached or refuses us
|-- PolicyError             a policy or a floor that cannot be used, signed or accepted
|-- ScenarioError           a street or air file that cannot be played
|-- EmulatorError           no MicroPython to run, or a board process that died
`-- BenchError              the yardstick cannot be built or does not answer
Rejected                    a sealed message that is not accepted: one kind of error to the outside
`-- NotYet                  one that may be accepted another time
"""

# The reason of a Rejected that says nothing bad of anyone: networks deliver twice
REPLAYED = "replayed"


class HadedaError(Exception):
    """Something the user can act on. `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class BoardError(HadedaError):
    """A board.toml that cannot be right; the text names file, table and key."""


class CityError(HadedaError):
    """A city folder that is missing, already there or incomplete."""


class PortError(HadedaError):
    """A serial port that is absent, busy or not MicroPython."""


class FlashError(HadedaError):
    """A firmware file that does not fit the board, a flash image that cannot be read, a board that is not flashed."""


class ProvisionError(HadedaError):
    """A node that answers, but cannot be provisioned."""


class BrokerError(HadedaError):
    """The MQTT broker cannot be reached or refuses us."""


class PolicyError(HadedaError):
    """A policy or a floor that cannot be used, or a policy that cannot be signed or is not signed right."""


class ScenarioError(HadedaError):
    """A street or air file that cannot be played."""


class SimulationError(HadedaError):
    """Something that must hold in every simulation did not hold in this one, or it could not be run."""


class EmulatorError(HadedaError):
    """No MicroPython to run, or a board process that died."""


class BenchError(HadedaError):
    """The yardstick cannot be built or does not answer."""


class Rejected(Exception):
    """A sealed message that is not accepted. `reason` is for the local log and the quarantine only."""

    def __init__(self, reason: str) -> None:
        super().__init__("rejected")
        self.reason = reason


class NotYet(Rejected):
    """A genuine message that cannot be accepted now: the node keeps it."""
