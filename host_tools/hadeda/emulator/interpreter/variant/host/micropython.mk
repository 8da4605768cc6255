SRC_USERMOD += $(USERMOD_DIR)/modhost.c $(USERMOD_DIR)/flash.c $(USERMOD_DIR)/heap.c $(USERMOD_DIR)/collector.c
