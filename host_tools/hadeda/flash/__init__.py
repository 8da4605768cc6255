"""What is in a board's flash, from the official MicroPython file to the flash image: checked, composed, written."""
