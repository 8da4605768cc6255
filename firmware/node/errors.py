"""The node's error tree.

NodeError
|-- Unprovisioned       no committed identity or no configuration: back to the REPL
|-- ConfigError         /config.cbor says something that cannot be; the text names the key
|-- CounterLost         the sequence counter cannot be trusted: a new epoch, never a restart at 0
|-- PolicyRefused       a policy or floor that this node does not take; the text says why
`-- ProtocolError       a peer (broker, time server) that does not speak its protocol
SensorFault             raised by a driver: becomes a fault count in the report, never stops the node
"""


class NodeError(Exception):
    """Something the node cannot work around by itself."""


class Unprovisioned(NodeError):
    """No committed identity or no configuration."""


class ConfigError(NodeError):
    """The configuration says something that cannot be."""


class CounterLost(NodeError):
    """The sequence counter is missing, damaged or used up."""


class PolicyRefused(NodeError):
    """A policy or floor that this node does not take."""


class ProtocolError(NodeError):
    """A peer that does not speak its protocol."""


class SensorFault(Exception):
    """A sensor that does not deliver; `kind` is one of labels.FAULT_*."""

    def __init__(self, kind: int) -> None:
        super().__init__(kind)
        self.kind = kind
