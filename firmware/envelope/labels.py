"""The one table both sides share: labels and constants of profile hadeda-1 (COSE, keys, report).

Plain assignments only: the node compiles this file, the host imports the very same one.
"""

PROFILE = "hadeda-1"

# COSE message tags (RFC 9052 section 2) and header parameters (section 3.1; kid context: RFC 8613)
TAG_ENCRYPT0 = 16
TAG_SIGN1 = 18
HEADER_ALG = 1
HEADER_KID = 4
HEADER_PARTIAL_IV = 6
HEADER_EPOCH = 10

# Algorithms (RFC 9053 section 4.2; RFC 9864 section 2)
ALG_AES_CCM_16_128_128 = 30
ALG_ESP256 = -9

DIRECTION_UP = 0
DIRECTION_DOWN = 1

# Sizes in bytes
KID_SIZE = 4
KEY_SIZE = 16
IV_SIZE = 13
TAG_SIZE = 16
SIGNATURE_SIZE = 64
PUBLIC_KEY_SIZE = 65
PARTIAL_IV_MAX = 5
EPOCH_MAX = 4
PADDING_BLOCK = 32
SEALED_MAX = 1024

# Enrolment (payload of the node's COSE_Sign1)
ENROL_IDENTITY = 1
ENROL_EPHEMERAL = 2
ENROL_BOARD = 3
ENROL_FIRMWARE = 4
ENROL_NONCE = 5
ENROL_COLLECTOR = 6

# Report
REPORT_START = 1
REPORT_WINDOW = 2
REPORT_CLOCK = 3
REPORT_AIR = 4
REPORT_TRAFFIC = 5
REPORT_FAULTS = 6
REPORT_HEALTH = 7

CLOCK_NEVER = 0
CLOCK_FREE_RUNNING = 1
CLOCK_SYNCHRONISED = 2

# Air channels: id -> (name, unit, how many of the integer make one unit)
CHANNELS = {
    1: ("temperature", "degC", 100),
    2: ("relative_humidity", "%", 100),
    3: ("pressure", "Pa", 1),
    4: ("pm1_0", "ug/m3", 10),
    5: ("pm2_5", "ug/m3", 10),
    6: ("pm10", "ug/m3", 10),
}

# Sensor faults: code = sensor index * 8 + kind
FAULT_NO_ANSWER = 1
FAULT_BUS_HUNG = 2
FAULT_BAD_FRAME = 3
FAULT_IMPLAUSIBLE = 4
FAULT_DRIVER = 5
