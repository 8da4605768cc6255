"""What is shipped to a node: the one list that provisioning reads. Plain assignments, nothing else.

Everything is compiled by mpy-cross and lands in LIBRARY, except ROOT_FILES, which stay source and land in "/", and
DATA, which is shipped as it is.
"""

# The folder on the node's flash that is on its sys.path
LIBRARY = "/lib"

# Left as source at the root of the flash
ROOT_FILES = ("boot.py", "main.py")

# Ours: folders of this directory, every .py in them
PACKAGES = ("envelope", "node", "ports", "sensors")

# Ours, of these: only for chips that run the RISC-V kernel, which is made at provisioning
KERNEL = "envelope/p256_kernel.py"

# Ours: only for boards whose identity key is in a secure element, by what board.toml calls it
ELEMENTS = {
    "atecc608": (
        "elements/__init__.py",
        "elements/atecc608.py",
        "elements/claim.py",
        "elements/patience.py",
        "elements/signer.py",
        "ports/element.py",
    )
}

# Ours: single files of this directory
MODULES = ("busio.py", "digitalio.py")

# Ours: tables that are read where they lie, in LIBRARY
DATA = ("envelope/p256_table.bin",)

# From PyPI, unmodified: distribution -> files of it that the node needs, as the distribution installs them
DRIVERS = {
    "adafruit-circuitpython-bme280": (
        "adafruit_bme280/__init__.py",
        "adafruit_bme280/basic.py",
        "adafruit_bme280/protocol.py",
    ),
    "adafruit-circuitpython-busdevice": (
        "adafruit_bus_device/__init__.py",
        "adafruit_bus_device/i2c_device.py",
    ),
}
