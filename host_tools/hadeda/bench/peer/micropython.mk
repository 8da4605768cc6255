# The peer for the bench table: mbedTLS's own ECDSA, counted on the same core by the same timer.
LIBRARY := $(TOP)/lib/mbedtls/library
SRC_USERMOD_C += $(USERMOD_DIR)/peer.c
SRC_USERMOD_LIB_C += $(USERMOD_DIR)/from_mbedtls.c
CFLAGS_USERMOD += -DMBEDTLS_CONFIG_FILE='"$(USERMOD_DIR)/mbedtls_config.h"'
CFLAGS_USERMOD += -I$(TOP)/lib/mbedtls/include -I$(LIBRARY)
