# AES for the yardstick's MicroPython: `cryptolib` as the stock firmware has it, over mbedTLS's AES in C.
# The macro is for that one file: elsewhere it would pull in the rest of mbedTLS.
SRC_USERMOD_LIB_C += $(USERMOD_DIR)/aes_from_mbedtls.c
CFLAGS_USERMOD += -DMICROPY_PY_CRYPTOLIB=1
CFLAGS_USERMOD += -DMBEDTLS_CONFIG_FILE='"$(USERMOD_DIR)/mbedtls_config.h"'
CFLAGS_USERMOD += -I$(TOP)/lib/mbedtls/include -I$(TOP)/lib/mbedtls/library
$(BUILD)/extmod/modcryptolib.o: CFLAGS += -DMICROPY_SSL_MBEDTLS=1
