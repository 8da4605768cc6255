# Frozen into the interpreter: asyncio, what stock ESP32 images freeze in, and the board's surface as ".frozen/surface",
# a folder that is on sys.path only while the board powers up.
include("$(MPY_DIR)/extmod/asyncio")
freeze("$(MPY_DIR)/emulator/stock")
package("surface", base_path="$(MPY_DIR)/emulator")
