// _host: the emulated board's four calls to the machine underneath.
//
//   exchange(fd, request, reply) -> count    one packet to the host, one packet back
//   read(fd, buffer) -> count            one read(2): what is there, not the whole buffer
//   watch_ticks(buffer, offset)          from now on the interpreter's milliseconds are the little-endian u32 there:
//                                        asyncio's task queue reads its time in C, and must read the board's
//   seal()                               hides this module, and `vfs` (with its VfsPosix), from whoever imports it next

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "py/mphal.h"
#include "py/runtime.h"

mp_uint_t __real_mp_hal_ticks_ms(void);

MP_REGISTER_ROOT_POINTER(mp_obj_t host_ticks_buffer);
static const byte *ticks_place = NULL;

mp_uint_t __wrap_mp_hal_ticks_ms(void) {
    if (ticks_place == NULL) {
        return __real_mp_hal_ticks_ms();
    }
    return ticks_place[0] | ticks_place[1] << 8 | ticks_place[2] << 16 | (mp_uint_t)ticks_place[3] << 24;
}

static mp_obj_t host_watch_ticks(mp_obj_t buffer, mp_obj_t offset) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(buffer, &info, MP_BUFFER_READ);
    mp_uint_t start = mp_obj_get_int(offset);
    if (start + 4 > info.len) {
        mp_raise_ValueError(MP_ERROR_TEXT("offset"));
    }
    MP_STATE_VM(host_ticks_buffer) = buffer;
    ticks_place = (const byte *)info.buf + start;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(host_watch_ticks_obj, host_watch_ticks);

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
    { MP_ROM_QSTR(MP_QSTR_watch_ticks), MP_ROM_PTR(&host_watch_ticks_obj) },
};
static MP_DEFINE_CONST_DICT(host_globals, host_globals_table);

const mp_obj_module_t host_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&host_globals,
};
MP_REGISTER_MODULE(MP_QSTR__host, host_module);
