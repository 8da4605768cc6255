"""The node: sample -> minimise -> seal -> store -> send."""

VERSION = "0.1.0"
