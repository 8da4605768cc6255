"""What the host says at power-up: chip, reset cause, clock mode. Asked once."""

import json
import _wire
import opcodes

info = json.loads(bytes(_wire.request(opcodes.BOOT)))
_wire.watch_clock(not info["real_time"])
