SRC_USERMOD += $(USERMOD_DIR)/modhost.c $(USERMOD_DIR)/heap.c
