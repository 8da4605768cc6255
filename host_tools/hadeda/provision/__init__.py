"""Provisioning: a board at the end of a serial cable becomes a node of the city."""
