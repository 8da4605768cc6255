"""Requests a board process makes of the host; the one table both ends of the wire read.

request: opcode u8, spent_us u32, sleeps u16, fed_us u32, payload
reply: status u8, ready u32, ticks_ms u32, ticks_us u32, seconds u32 (since 2000-01-01 by the board's RTC), micros u32,
below_ms u16 (microseconds of ticks_ms that are not a whole one yet), free_us u32, payload. Little endian, one packet
each.

`spent_us` is board time that has passed since the last reply, in so many `sleeps` as were not told; in `free_us` from
now on nothing reaches the board from outside, and nobody looks at it: sleeps that end by then need not be told.
`fed_us` ago (NEVER: not since the last reply) the program fed its watchdog.
"""

REPLY_HEADER = 27
TICKS_OFFSET = 5  # these, SLEEP and WDT_FEED are also in interpreter/variant/host/modhost.c; FLASH_ in flash.c
PAYLOAD_MAX = 4096  # of a reply: one flash sector
NEVER = 0xFFFFFFFF
STATUS_OK = 0
STATUS_ERROR = 1  # payload: errno i32, then the error's name if the port raises one with a name

# Bits of `ready`: what has bytes waiting, or room
READY_UART = 0  # + UART id
READY_CONSOLE = 3
READY_SOCKET_IN = 4  # + socket handle
READY_SOCKET_OUT = 18  # + socket handle
SOCKETS = 12

BOOT = 1
SLEEP = 2  # dt_us u64, seen u32, at_console u8: until then, or until a bit of `ready` not in `seen` comes up
EXIT = 3  # kind u8, us u64, raw_repl u8
EXIT_SOFT, EXIT_HARD, EXIT_DEEPSLEEP = 1, 2, 3
RANDOM = 4  # count u16
CONSOLE = 5  # state u8: who reads what is typed
CONSOLE_PROMPT = 0  # the REPL
CONSOLE_PROGRAM = 1  # a program; Ctrl-C interrupts it
CONSOLE_BINARY = 2  # a program that has switched Ctrl-C off: bytes go both ways as they are

I2C_WRITE = 10  # scl u8, sda u8, freq u32, address u8, stop u8, data
I2C_READ = 11  # scl u8, sda u8, freq u32, address u8, stop u8, count u16
I2C_READ_MEM = 9  # scl u8, sda u8, freq u32, address u8, count u16, register: a write and, without a stop, a read
UART_OPEN = 12  # id u8, tx u8, rx u8, baudrate u32, rxbuf u16
UART_ANY = 13  # id u8
UART_READ = 14  # id u8, count u16
UART_WRITE = 15  # id u8, data
PIN_READ = 16  # pin u8
PIN_WRITE = 17  # pin u8, level u8
ADC_READ = 18  # pin u8
PIN_INPUT = 20  # pin u8, pull u8: it drives no more; PULL_DOWN, PULL_UP or none
PIN_BITS = 19  # pin u8, data that is sent out of it bit by bit

FLASH_WRITE = 21  # address u32, data
FLASH_ERASE = 22  # address u32, count u32
NVS_GET = 23  # namespace, key as length-prefixed text, type u8
NVS_SET = 24  # namespace, key, type u8, data
NVS_ERASE = 25  # namespace, key, type 0
NVS_COMMIT = 26
NVS_I32, NVS_BLOB = 1, 2
RTC_SET = 27  # seconds i64 since 2000-01-01, micros u32
RTC_MEMORY_GET = 28
RTC_MEMORY_SET = 29  # data
WDT_START = 30  # timeout_ms u32
WDT_FEED = 31

WLAN_ACTIVE = 40  # on u8
WLAN_CONNECT = 41  # ssid, password as length-prefixed text
WLAN_DISCONNECT = 42
WLAN_STATUS = 43  # -> status u16, rssi i8
WLAN_SCAN = 44
NET_RESOLVE = 45  # host text -> address text
SOCKET_OPEN = 46  # kind u8 -> handle u8
SOCKET_CONNECT = 47  # handle u8, port u16, host text
SOCKET_SEND = 48  # handle u8, data -> count u16
SOCKET_SENDTO = 49  # handle u8, port u16, host length-prefixed text, data -> count u16
SOCKET_RECEIVE = 50  # handle u8, count u16 -> port u16, host length-prefixed text, data
SOCKET_CLOSE = 51  # handle u8

BLE_ACTIVE = 60  # on u8
BLE_SCAN = 61  # duration_ms u32 (0: stop), interval_us u32, window_us u32
BLE_HEARD = 62  # -> scanning u8, then of each: address type, advertising type u8, rssi i8, length u8, address, data
