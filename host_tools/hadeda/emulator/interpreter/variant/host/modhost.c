// _host: what the emulated board's surface needs of the machine underneath.
//
//   open(fd, reply)                  the wire, and the buffer every reply is put into (opcodes.py); Ctrl-C from now on
//   exchange(opcode, payload)        one packet to the host, one packet back; returns the reply's size, 0: host gone
//   sleep(us, seen, at_console)      the exchange that a board spends its life in, without a byte of its heap; none when
//                                    the host has left it so much time of its own
//   feed()                           feeds the watchdog; where sleeps need not be told, the host learns it by and by
//   ready()                          the last reply's mask
//   ticks_ms(), ticks_us()           virtual time: the last reply's, and a little more for each look
//   read(fd, buffer) -> count        one read(2): what is there, not the whole buffer
//   flash(fd), read_flash, read_blocks, write_blocks, control  flash.c
//   watch_clock(ticks)               from now on the time of day is the last reply's, for the stamps of files; with
//                                    `ticks` also the milliseconds that asyncio's task queue reads in C
//   starve(after)                    the allocation after so many and a few more fail; 0: none
//   seed(number)                     what `random` starts from
//   seal()                           hides this module, and `vfs` (with its VfsPosix), from whoever imports it next

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host.h"
#include "py/mphal.h"
#include "py/objint.h"
#include "py/runtime.h"

#define UNIX_2000 (946684800)

uint32_t read_u32(const byte *place) {
    return place[0] | place[1] << 8 | place[2] << 16 | (uint32_t)place[3] << 24;
}

void write_u32(byte *place, uint32_t value) {
    place[0] = value;
    place[1] = value >> 8;
    place[2] = value >> 16;
    place[3] = value >> 24;
}

// opcodes.py: the packets' layout, and the one request that is made here
enum { STATUS_OK = 0, REQUEST_HEADER = 11, READY = 1, TICKS_MS = 5, TICKS_US = 9, SECONDS = 13, MICROS = 17, BELOW_MS = 21 };
enum { FREE_US = 23, REPLY_HEADER = 27 };
enum { SLEEP = 2, WDT_FEED = 31, SLEEP_SIZE = 13, UART_BITS = 7, STDOUT = 1 };
#define NEVER (UINT32_MAX)
// In virtual time computing is free, so a loop that only watches the clock would never end if looking were, too.
enum { TICK_COST_US = 3, MOST_SPENT_US = 60000, TICKS_MASK = 0x3FFFFFFF };

MP_REGISTER_ROOT_POINTER(mp_obj_t host_reply_buffer);
static int wire_fd = -1;
static byte *reply = NULL;
static size_t reply_size = 0;
static uint32_t spent_us = 0; // of board time, by looking at the clock, since the last exchange or sleep
static uint32_t slept_us = 0; // of board time that the host has not been told of
static uint16_t sleeps = 0;   // in which it passed
static uint32_t fed_at = NEVER; // of what has passed since the last exchange
static uint32_t free_us = 0;  // of board time that is left to sleep without telling the host
static bool printed = false;  // since the host was last told of a sleep, with which it takes what was printed
static bool watching = false;
static bool ticks_too = false;

mp_uint_t __real_mp_hal_ticks_ms(void);

mp_uint_t __wrap_mp_hal_ticks_ms(void) {
    return ticks_too ? read_u32(reply + TICKS_MS) : __real_mp_hal_ticks_ms();
}

uint64_t __real_mp_hal_time_ns(void);

uint64_t __wrap_mp_hal_time_ns(void) {
    if (!watching) {
        return __real_mp_hal_time_ns();
    }
    uint64_t seconds = UNIX_2000 + (uint64_t)read_u32(reply + SECONDS);
    return (seconds * 1000000 + read_u32(reply + MICROS)) * 1000;
}

static mp_obj_t host_watch_clock(mp_obj_t ticks) {
    watching = true;
    ticks_too = mp_obj_is_true(ticks);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_watch_clock_obj, host_watch_clock);

static unsigned long first_seed = 0;

unsigned long host_random_seed(void) {
    return first_seed;
}

static mp_obj_t host_seed(mp_obj_t seed) {
    first_seed = mp_obj_get_int_truncated(seed);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_seed_obj, host_seed);

void heap_starve(uint32_t after);

static mp_obj_t host_starve(mp_obj_t after) {
    heap_starve(mp_obj_get_int_truncated(after));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_starve_obj, host_starve);

// A board takes one more Ctrl-C for the one that is pending; the unix port would exit.
static void interrupted(int signum) {
    (void)signum;
    mp_sched_keyboard_interrupt();
}

static mp_obj_t host_open(mp_obj_t fd, mp_obj_t buffer) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(buffer, &info, MP_BUFFER_WRITE);
    if (info.len < REPLY_HEADER) {
        mp_raise_ValueError(MP_ERROR_TEXT("reply"));
    }
    MP_STATE_VM(host_reply_buffer) = buffer;
    reply = info.buf;
    reply_size = info.len;
    wire_fd = mp_obj_get_int(fd);
    struct sigaction action = { .sa_handler = interrupted };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(host_open_obj, host_open);

// A Ctrl-C during an exchange stays pending until it is over; the host ends a sleep that is interrupted.
size_t exchange(byte opcode, const void *payload, size_t size) {
    byte header[REQUEST_HEADER] = { opcode };
    write_u32(header + 1, slept_us + spent_us);
    header[5] = sleeps;
    header[6] = sleeps >> 8;
    write_u32(header + 7, fed_at == NEVER ? NEVER : slept_us + spent_us - fed_at);
    slept_us = spent_us = sleeps = 0;
    fed_at = NEVER;
    struct iovec parts[2] = { { header, REQUEST_HEADER }, { (void *)payload, size } };
    ssize_t count;
    do {
        count = writev(wire_fd, parts, 2);
    } while (count < 0 && errno == EINTR);
    if (count >= 0) {
        do {
            count = read(wire_fd, reply, reply_size);
        } while (count < 0 && errno == EINTR);
        free_us = read_u32(reply + FREE_US);
    }
    return count < 0 ? 0 : count;
}

void ask(byte opcode, const void *payload, size_t size) {
    size_t count = exchange(opcode, payload, size);
    if (count == 0) {
        mp_raise_type(&mp_type_SystemExit); // the host is gone
    }
    if (reply[0] != STATUS_OK) {
        mp_raise_OSError((int32_t)read_u32(reply + REPLY_HEADER));
    }
}

static mp_obj_t host_exchange(mp_obj_t opcode, mp_obj_t payload) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(payload, &info, MP_BUFFER_READ);
    return MP_OBJ_NEW_SMALL_INT(exchange(mp_obj_get_int(opcode), info.buf, info.len));
}
static MP_DEFINE_CONST_FUN_OBJ_2(host_exchange_obj, host_exchange);

ssize_t __real_write(int fd, const void *data, size_t size);

ssize_t __wrap_write(int fd, const void *data, size_t size) {
    printed |= fd == STDOUT;
    return __real_write(fd, data, size);
}

// What the host would answer after so long, with nothing happening meanwhile.
static void let_pass(uint32_t us) {
    free_us -= us;
    slept_us += us;
    spent_us = 0;
    uint32_t below_ms = (reply[BELOW_MS] | reply[BELOW_MS + 1] << 8) + us % 1000;
    uint32_t micros = read_u32(reply + MICROS) + us % 1000000;
    write_u32(reply + TICKS_MS, (read_u32(reply + TICKS_MS) + us / 1000 + below_ms / 1000) & TICKS_MASK);
    write_u32(reply + TICKS_US, (read_u32(reply + TICKS_US) + us) & TICKS_MASK);
    write_u32(reply + SECONDS, read_u32(reply + SECONDS) + us / 1000000 + micros / 1000000);
    write_u32(reply + MICROS, micros % 1000000);
    reply[BELOW_MS] = below_ms % 1000;
    reply[BELOW_MS + 1] = below_ms % 1000 >> 8;
}

static mp_obj_t exchange_sleep(uint64_t us, uint32_t seen, bool at_console) {
    // Whether a part has spoken only the host knows; and what was printed was printed by now
    bool by_time_alone = (seen & UART_BITS) == UART_BITS && !(read_u32(reply + READY) & ~seen) && !at_console;
    if (by_time_alone && !printed && us + spent_us <= free_us && sleeps < UINT16_MAX) {
        let_pass(us + spent_us);
        sleeps++;
        return MP_OBJ_NEW_SMALL_INT(REPLY_HEADER);
    }
    printed = false;
    byte payload[SLEEP_SIZE];
    write_u32(payload, us);
    write_u32(payload + 4, us >> 32);
    write_u32(payload + 8, seen);
    payload[12] = at_console;
    return MP_OBJ_NEW_SMALL_INT(exchange(SLEEP, payload, SLEEP_SIZE));
}

static mp_obj_t host_sleep(mp_obj_t us_in, mp_obj_t seen, mp_obj_t at_console) {
    uint64_t us;
    if (mp_obj_is_small_int(us_in)) {
        us = MP_OBJ_SMALL_INT_VALUE(us_in);
    } else {
        byte bytes[8];
        mp_obj_int_to_bytes_impl(us_in, false, sizeof(bytes), bytes);
        us = read_u32(bytes) | (uint64_t)read_u32(bytes + 4) << 32;
    }
    return exchange_sleep(us, mp_obj_get_int_truncated(seen), mp_obj_is_true(at_console));
}
static MP_DEFINE_CONST_FUN_OBJ_3(host_sleep_obj, host_sleep);

static mp_obj_t host_feed(void) {
    if (spent_us < free_us) {
        let_pass(spent_us);
        fed_at = slept_us;
    } else {
        ask(WDT_FEED, NULL, 0);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(host_feed_obj, host_feed);

static mp_obj_t host_ready(void) {
    return MP_OBJ_NEW_SMALL_INT(read_u32(reply + READY));
}
static MP_DEFINE_CONST_FUN_OBJ_0(host_ready_obj, host_ready);

static void spend(void) {
    spent_us += TICK_COST_US;
    if (spent_us > MOST_SPENT_US) {
        exchange_sleep(0, 0, false);
    }
}

static mp_obj_t host_ticks_ms(void) {
    spend();
    return MP_OBJ_NEW_SMALL_INT((read_u32(reply + TICKS_MS) + spent_us / 1000) & TICKS_MASK);
}
static MP_DEFINE_CONST_FUN_OBJ_0(host_ticks_ms_obj, host_ticks_ms);

static mp_obj_t host_ticks_us(void) {
    spend();
    return MP_OBJ_NEW_SMALL_INT((read_u32(reply + TICKS_US) + spent_us) & TICKS_MASK);
}
static MP_DEFINE_CONST_FUN_OBJ_0(host_ticks_us_obj, host_ticks_us);

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
    { MP_ROM_QSTR(MP_QSTR_open), MP_ROM_PTR(&host_open_obj) },
    { MP_ROM_QSTR(MP_QSTR_exchange), MP_ROM_PTR(&host_exchange_obj) },
    { MP_ROM_QSTR(MP_QSTR_sleep), MP_ROM_PTR(&host_sleep_obj) },
    { MP_ROM_QSTR(MP_QSTR_feed), MP_ROM_PTR(&host_feed_obj) },
    { MP_ROM_QSTR(MP_QSTR_ready), MP_ROM_PTR(&host_ready_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_ms), MP_ROM_PTR(&host_ticks_ms_obj) },
    { MP_ROM_QSTR(MP_QSTR_ticks_us), MP_ROM_PTR(&host_ticks_us_obj) },
    { MP_ROM_QSTR(MP_QSTR_flash), MP_ROM_PTR(&host_flash_obj) },
    { MP_ROM_QSTR(MP_QSTR_read_flash), MP_ROM_PTR(&host_read_flash_obj) },
    { MP_ROM_QSTR(MP_QSTR_read_blocks), MP_ROM_PTR(&host_read_blocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_write_blocks), MP_ROM_PTR(&host_write_blocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_control), MP_ROM_PTR(&host_control_obj) },
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&host_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_seal), MP_ROM_PTR(&host_seal_obj) },
    { MP_ROM_QSTR(MP_QSTR_watch_clock), MP_ROM_PTR(&host_watch_clock_obj) },
    { MP_ROM_QSTR(MP_QSTR_starve), MP_ROM_PTR(&host_starve_obj) },
    { MP_ROM_QSTR(MP_QSTR_seed), MP_ROM_PTR(&host_seed_obj) },
};
static MP_DEFINE_CONST_DICT(host_globals, host_globals_table);

const mp_obj_module_t host_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&host_globals,
};
MP_REGISTER_MODULE(MP_QSTR__host, host_module);
