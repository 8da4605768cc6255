SRC_USERMOD += $(USERMOD_DIR)/modhost.c
