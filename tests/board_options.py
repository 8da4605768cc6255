"""Options of the board-level tests."""
