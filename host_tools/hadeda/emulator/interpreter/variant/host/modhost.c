// _host: what the emulated board's surface needs of the machine underneath.
//
//   exchange(fd, request, reply) -> count    one packet to the host, one packet back
//   read(fd, buffer) -> count                one read(2): what is there, not the whole buffer
//   watch_clock(buffer, offset, ticks)       from now on the time of day is in that buffer (opcodes.py: ticks_ms u32,
//                                            ticks_us u32, seconds u32, micros u32), for the stamps of files; with
//                                            `ticks` also the milliseconds that asyncio's task queue reads in C
//   seed(number)                             what `random` starts from
//   seal()                                   hides this module, and `vfs` (with its VfsPosix), from whoever imports
//                                            it next

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "py/mphal.h"
#include "py/runtime.h"

#define UNIX_2000 (946684800)

static uint32_t read_u32(const byte *place) {
    return place[0] | place[1] << 8 | place[2] << 16 | (uint32_t)place[3] << 24;
}

MP_REGISTER_ROOT_POINTER(mp_obj_t host_clock_buffer);
static const byte *clock_place = NULL;
static bool ticks_too = false;

mp_uint_t __real_mp_hal_ticks_ms(void);

mp_uint_t __wrap_mp_hal_ticks_ms(void) {
    return ticks_too ? read_u32(clock_place) : __real_mp_hal_ticks_ms();
}

uint64_t __real_mp_hal_time_ns(void);

uint64_t __wrap_mp_hal_time_ns(void) {
    if (clock_place == NULL) {
        return __real_mp_hal_time_ns();
    }
    uint64_t seconds = UNIX_2000 + (uint64_t)read_u32(clock_place + 8);
    return (seconds * 1000000 + read_u32(clock_place + 12)) * 1000;
}

static mp_obj_t host_watch_clock(mp_obj_t buffer, mp_obj_t offset, mp_obj_t ticks) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(buffer, &info, MP_BUFFER_READ);
    mp_uint_t start = mp_obj_get_int(offset);
    if (start + 16 > info.len) {
        mp_raise_ValueError(MP_ERROR_TEXT("offset"));
    }
    MP_STATE_VM(host_clock_buffer) = buffer;
    clock_place = (const byte *)info.buf + start;
    ticks_too = mp_obj_is_true(ticks);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(host_watch_clock_obj, host_watch_clock);

static unsigned long first_seed = 0;

unsigned long host_random_seed(void) {
    return first_seed;
}

static mp_obj_t host_seed(mp_obj_t seed) {
    first_seed = mp_obj_get_int_truncated(seed);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_seed_obj, host_seed);

// A Ctrl-C during an exchange stays pending until it is over; the host ends a sleep that is interrupted.
static mp_obj_t host_exchange(mp_obj_t fd_in, mp_obj_t request, mp_obj_t reply) {
    int fd = mp_obj_get_int(fd_in);
    mp_buffer_info_t out, in;
    mp_get_buffer_raise(request, &out, MP_BUFFER_READ);
    mp_get_buffer_raise(reply, &in, MP_BUFFER_WRITE);
    ssize_t count;
    do {
        count = write(fd, out.buf, out.len);
    } while (count < 0 && errno == EINTR);
    if (count >= 0) {
        do {
            count = read(fd, in.buf, in.len);
        } while (count < 0 && errno == EINTR);
    }
    return MP_OBJ_NEW_SMALL_INT(count < 0 ? 0 : count);
}
static MP_DEFINE_CONST_FUN_OBJ_3(host_exchange_obj, host_exchange);

static mp_obj_t host_read(mp_obj_t fd, mp_obj_t buffer) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(buffer, &info, MP_BUFFER_WRITE);
    ssize_t count;
    MP_HAL_RETRY_SYSCALL(count, read(mp_obj_get_int(fd), info.buf, info.len), mp_raise_OSError(err));
    return MP_OBJ_NEW_SMALL_INT(count);
}
static MP_DEFINE_CONST_FUN_OBJ_2(host_read_obj, host_read);

// From `seal` on, the modules through which a program could reach the machine underneath are not there.
mp_obj_t __real_mp_module_get_builtin(qstr name, bool extensible);
static bool sealed = false;

mp_obj_t __wrap_mp_module_get_builtin(qstr name, bool extensible) {
    if (sealed && (name == MP_QSTR__host || name == MP_QSTR_vfs)) {
        return MP_OBJ_NULL;
    }
    return __real_mp_module_get_builtin(name, extensible);
}

static mp_obj_t host_seal(void) {
    sealed = true;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(host_seal_obj, host_seal);

static const mp_rom_map_elem_t host_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__host) },
    { MP_ROM_QSTR(MP_QSTR_exchange), MP_ROM_PTR(&host_exchange_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&host_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_seal), MP_ROM_PTR(&host_seal_obj) },
    { MP_ROM_QSTR(MP_QSTR_watch_clock), MP_ROM_PTR(&host_watch_clock_obj) },
    { MP_ROM_QSTR(MP_QSTR_seed), MP_ROM_PTR(&host_seed_obj) },
};
static MP_DEFINE_CONST_DICT(host_globals, host_globals_table);

const mp_obj_module_t host_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&host_globals,
};
MP_REGISTER_MODULE(MP_QSTR__host, host_module);
