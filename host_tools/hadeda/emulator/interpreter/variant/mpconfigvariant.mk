# The emulated board's interpreter; build.py passes the manifest, the number format and where the TLS library is.
MICROPY_SSL_AXTLS = 0
MICROPY_SSL_MBEDTLS = 1
MICROPY_PY_BTREE = 0
MICROPY_PY_FFI = 0
MICROPY_PY_JNI = 0
MICROPY_PY_TERMIOS = 0
# A simulated week is mostly this program's work. On a 32-bit x86 position-independent code costs a register more.
# A canary is another number in each process, and may look like an address to the collector.
COPT = -O2 -fno-pie -fno-stack-protector
# Every x86 that runs 64-bit programs has them; the collector looks at four words at a time with them.
ifeq ($(MICROPY_FORCE_32BIT),1)
COPT += -msse2
endif
