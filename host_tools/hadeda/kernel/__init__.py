"""The RISC-V kernel: P-256 in assembler for MicroPython as it comes from the factory (docs/ecdsa.md).

assembly  instructions as text for MicroPython's inline assembler
field     product, sum and difference modulo p; inverse: modulo anything; pick: a point of a table, without its address
machine   the one function: all of these behind a dispatcher that executes words
programs  the words: point formulas and scalar multiplication
viper     an assembler function in a .mpy file becomes one that firmware without the assembler executes
module    all of it together as the module that a node imports
"""
