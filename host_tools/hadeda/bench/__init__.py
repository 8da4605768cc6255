"""The yardstick: what the node's own code costs in instructions on a RISC-V core like the ESP32-C3's, under QEMU.

table     all figures in one table: rows/ measures them, row is what one of them says, picture draws them
build     MicroPython for QEMU's RV32IMC board, from the distribution's source package
machine   one such board, powered up, with the firmware's compiled modules on it
on_board  what runs there and measures: sealing and minimising
figures   what comes back: medians, and the answer of `hadeda bench`
"""
