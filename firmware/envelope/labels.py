"""The one table both sides share: labels and constants of profile hadeda-1 (COSE, keys, report).

Plain assignments only: the node compiles this file, the host imports the very same one.
"""

PROFILE = "hadeda-1"

# COSE message tags (RFC 9052 section 2) and header parameters (section 3.1; kid context: RFC 8613)
TAG_ENCRYPT0 = 16
TAG_SIGN1 = 18
TAG_ENCRYPT = 96
HEADER_ALG = 1
HEADER_KID = 4
HEADER_IV = 5
HEADER_PARTIAL_IV = 6
HEADER_EPOCH = 10
HEADER_EPHEMERAL_KEY = -1

# Algorithms (RFC 9053 sections 4.2 and 6.3.1; RFC 9864 section 2)
ALG_AES_CCM_16_128_128 = 30
ALG_ESP256 = -9
ALG_ECDH_ES_HKDF_256 = -25

DIRECTION_UP = 0
DIRECTION_DOWN = 1
DIRECTION_SELF_TEST = 2  # from the node to whoever tests it at its cable: no collector opens it

# Sizes in bytes
KID_SIZE = 4
KEY_SIZE = 16
IV_SIZE = 13
TAG_SIZE = 16
SIGNATURE_SIZE = 64
PRIVATE_KEY_SIZE = 32  # of an identity; what is shorter says where the key is: in a chip
PUBLIC_KEY_SIZE = 65
PARTIAL_IV_MAX = 5
EPOCH_MAX = 4
PADDING_BLOCK = 32
PAYLOAD_MIN = 128  # what every report and letter is padded to at least: most of them have one length
SEALED_MAX = 1024

# The life of a key, counted in messages and epochs, never by a clock that somebody could set
EPOCH_MESSAGES_MAX = 1 << 16  # sequence numbers under one key; beyond, both sides refuse
EPOCHS_AHEAD = 40  # so many ratchets ahead the city recognises a node
REKEY_JUMP = 64  # a re-key opens its chain so many epochs further on, further than any ratchet expected
REKEY_EVERY = 7  # ratchets: a city restored from a backup hears from every node as soon as that
REKEY_GRACE = 2  # ratchets after which a re-key that the city did not confirm is dropped

# Whose keys a node knows of its city
ROLE_COLLECTOR = 1  # key agreement: root keys come from it
ROLE_RECEIPT = 2  # signs the collector's letters
ROLE_COMMAND = 3  # signs commands
ROLE_POLICY = 4
ROLE_RELEASE = 5
ROLES = (ROLE_COLLECTOR, ROLE_RECEIPT, ROLE_COMMAND, ROLE_POLICY, ROLE_RELEASE)

# Enrolment (payload of the node's COSE_Sign1)
ENROL_IDENTITY = 1
ENROL_EPHEMERAL = 2
ENROL_BOARD = 3
ENROL_FIRMWARE = 4
ENROL_NONCE = 5
ENROL_COLLECTOR = 6

# Ready (payload of a re-key's COSE_Sign1, inside COSE_Encrypt)
READY_EPOCH = 1
READY_NODE = 2
READY_EPHEMERAL = 3
READY_NONCE = 4
READY_COLLECTOR = 5
READY_COMMAND = 6
READY_IDENTITY = 7
READY_PROOF = 8

# Self-test (payload of what a node seals for the host at its cable)
SELF_TEST_NONCE = 1

# Letter (what the city says to a node) and command (signed by the command key, inside a letter)
LETTER_HEARD = 1
LETTER_COMMAND = 2
LETTER_CHALLENGE = 3
LETTER_THROUGH = 4
LETTER_TIME = 5
CHALLENGE_SIZE = 8
OPEN_CHALLENGE_SIZE = 16  # what the command key signs to open a locked node's serial port

COMMAND_NUMBER = 1
COMMAND_OPERATION = 2
COMMAND_LAST_EPOCH = 3
COMMAND_ARGUMENTS = 4
COMMAND_NUMBER_MAX = (1 << 40) - 1

OPERATION_ROTATE = 1
OPERATION_SET_POLICY = 2
OPERATION_SET_PERIOD = 3
OPERATION_REPORT_NOW = 4
OPERATION_REBOOT = 5
OPERATION_LOCATE = 6
OPERATION_SET_NETWORK = 7

ROTATE_KEYS = 1
ROTATE_IDENTITY = 2
SET_PERIOD_WINDOW = 1
SET_POLICY_POLICY = 1
SET_POLICY_FLOOR = 2
SET_POLICY_RELEASE = 3
SET_NETWORK_SSID = 1
SET_NETWORK_WIFI_PASSWORD = 2
SET_NETWORK_HOST = 3
SET_NETWORK_PORT = 4
SET_NETWORK_USER = 5
SET_NETWORK_PASSWORD = 6
SET_NETWORK_TEXT_MAX = 64  # bytes of each text
NETWORK_TRIES = 4  # sessions in which a network has to prove itself

RESULT_DONE = 0
RESULT_REFUSED = 1
RESULT_UNSUPPORTED = 2
RESULT_INTERRUPTED = 3
RESULT_FELL_BACK = 4  # the new network did not lead to the city, the old one is used again

# Report
REPORT_START = 1
REPORT_WINDOW = 2
REPORT_CLOCK = 3
REPORT_AIR = 4
REPORT_TRAFFIC = 5
REPORT_FAULTS = 6
REPORT_HEALTH = 7
REPORT_ANSWER = 8
REPORT_ECHO = 9
REPORT_PRIVACY = 10
REPORT_FOOTFALL = 11
REPORT_OUTBOX = 12
REPORT_GAPS_MAX = 4  # of which a report tells
REPORT_COUNT_MAX = 65531  # a cell is two bytes: what is above stands for WITHHELD_*, as two's complement

# A cell that is not released says why: counts are at least k, so these can be no counts
WITHHELD_BELOW_K = -1
WITHHELD_BUDGET = -2
WITHHELD_POLICY = -3
WITHHELD_BLIND = -4

UNIT_PASSAGE_WINDOW = 1  # one passage in one window

# Policy and floor (maps in CBOR). Epsilon is in millionths
POLICY_CITY = 1
POLICY_VERSION = 2
POLICY_WINDOW = 3
POLICY_CHANNELS = 4
POLICY_CELLS = 5
POLICY_K = 6
POLICY_EPSILON_RELEASE = 7
POLICY_EPSILON_DAY = 8
POLICY_NAME = 9
POLICY_FOOTFALL = 10
POLICY_SOURCES = 11
POLICY_MAX = 400  # bytes

CELLS_CLASSES = 1
CELLS_DIRECTIONS = 2
CELLS_SPEED_BANDS = 3

FLOOR_WINDOW = 1
FLOOR_K = 2
FLOOR_EPSILON_RELEASE = 3
FLOOR_EPSILON_DAY = 4
FLOOR_CHANNELS = 5
FLOOR_SOURCES = 6
FLOOR_VERSION = 7
FLOOR_ENERGY = 8  # absent: energy is never told

ENERGY_WINDOW = 1
ENERGY_STEP = 2
ENERGY_WINDOW_MIN = 3600  # seconds: no floor is finer, whoever gave it
ENERGY_STEP_MIN = 100  # Wh

SOURCE_FOOTFALL = 1
SOURCE_VISION = 2
SOURCE_PRESENCE = 3  # a plain input that cannot tell who it is, people on foot among them

CLOCK_NEVER = 0
CLOCK_FREE_RUNNING = 1
CLOCK_SYNCHRONISED = 2
CLOCK_SIGNED = 3

# Causes of a reset that machine.reset_cause() does not tell, beyond its 1 to 5
RESET_BROWN_OUT = 6
RESET_PANIC = 7
RESET_ERROR = 8
RESET_OPENED = 10  # its serial port was opened: told until a window is complete
# Why a node is in safe mode: the cause of its last crash (3, 6, 7 or 8), or this; 0 when it is not
SAFE_CONFIG = 9
# The kernel for P-256: none was shipped, signatures run on it, or it did not load or compute right
KERNEL_NONE = 0
KERNEL_USED = 1
KERNEL_FAILED = 2

# Air channels: id -> (name, unit, how many of the integer make one unit)
CHANNELS = {
    1: ("temperature", "degC", 100),
    2: ("relative_humidity", "%", 100),
    3: ("pressure", "Pa", 1),
    4: ("pm1_0", "ug/m3", 10),
    5: ("pm2_5", "ug/m3", 10),
    6: ("pm10", "ug/m3", 10),
    7: ("co2", "ppm", 1),
    8: ("tvoc", "ppb", 1),
    9: ("voc_raw", "ticks", 1),
    10: ("nox_raw", "ticks", 1),
    11: ("energy", "Wh", 1),
}
CHANNEL_ENERGY = 11  # of one circuit: told as node/energy.py says, and not with the air's statistics

# Sensor faults: code = sensor index * 8 + kind
FAULT_NO_ANSWER = 1
FAULT_BUS_HUNG = 2
FAULT_BAD_FRAME = 3
FAULT_IMPLAUSIBLE = 4
FAULT_DRIVER = 5
FAULT_PLACE_IDENTITY = 63  # in a sensor's place: the chip that has the identity key
