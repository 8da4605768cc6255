"""The whole line on one machine: a street corner, an emulated node, a broker and a city."""
