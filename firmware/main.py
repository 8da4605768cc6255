"""The only file at the root of a node's flash: hands the board over to the node."""

from node.main import start

start()
