"""What a node needs in a day, by times measured on the emulator and the datasheets' currents; a day of winter."""
