// What the parts of _host share.

#pragma once

#include "py/obj.h"

uint32_t read_u32(const byte *place); // little endian, like the wire
void write_u32(byte *place, uint32_t value);

// One packet to the host and one back, into the reply buffer; returns the reply's size, 0: host gone.
size_t exchange(byte opcode, const void *payload, size_t size);
// The same where only errors have something to say: OSError, or SystemExit when the host is gone.
void ask(byte opcode, const void *payload, size_t size);

extern const mp_obj_fun_builtin_fixed_t host_flash_obj;
extern const mp_obj_fun_builtin_fixed_t host_read_flash_obj;
extern const mp_obj_base_t host_read_blocks_obj, host_write_blocks_obj, host_control_obj;
