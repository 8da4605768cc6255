// The flash: the image itself for who reads, requests to the host for who changes it.
//
//   flash(fd)                        the flash image
//   read_flash(address, buffer)      the flash as the processor's cache shows it, without asking the host
//   read_blocks, write_blocks, control  methods of esp32.Partition: its readblocks, writeblocks and ioctl
//
// The methods are C, and without a byte of the board's heap, as on silicon: littlefs calls them in the midst of its
// work. A collection there would close files that are garbage, and lfs_remove and lfs_rename put the list of open
// files back as it was before (lfs.c: lfs->mlist = dir.next). Nor does a Ctrl-C get in between: littlefs relies on it
// that what it asked for was done.

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "py/runtime.h"

enum { FLASH_WRITE = 21, FLASH_ERASE = 22 }; // opcodes.py
enum { SECTOR = 4096 };
// Rows of partitions (surface/esp32.py), and esp_partition_read's, _write's and _erase_range's errors
enum { ROW_ADDRESS = 2, ROW_SIZE = 3, ESP_INVALID_ARG = -258, ESP_INVALID_SIZE = -260 };
enum { IOCTL_INIT = 1, IOCTL_SYNC = 3, IOCTL_BLOCK_COUNT = 4, IOCTL_BLOCK_SIZE = 5, IOCTL_BLOCK_ERASE = 6 };

static int flash_fd = -1;

static mp_obj_t host_flash(mp_obj_t fd) {
    flash_fd = mp_obj_get_int(fd);
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(host_flash_obj, host_flash);

static void read_flash(mp_int_t address, const mp_buffer_info_t *into) {
    ssize_t count;
    do {
        count = pread(flash_fd, into->buf, into->len, address);
    } while (count < 0 && errno == EINTR);
}

static mp_obj_t host_read_flash(mp_obj_t address, mp_obj_t buffer) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(buffer, &info, MP_BUFFER_WRITE);
    read_flash(mp_obj_get_int(address), &info);
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(host_read_flash_obj, host_read_flash);

static NORETURN void refuse(int why) {
    mp_obj_t arguments[2] = {
        MP_OBJ_NEW_SMALL_INT(why),
        MP_OBJ_NEW_QSTR(why == ESP_INVALID_ARG ? MP_QSTR_ESP_ERR_INVALID_ARG : MP_QSTR_ESP_ERR_INVALID_SIZE),
    };
    nlr_raise(mp_obj_exception_make_new(&mp_type_OSError, 2, 0, arguments));
}

static mp_int_t block_size(mp_obj_t partition) {
    return mp_obj_get_int(mp_load_attr(partition, MP_QSTR__block));
}

static mp_int_t row_of(mp_obj_t partition, size_t column) {
    size_t columns;
    mp_obj_t *row;
    mp_obj_get_array(mp_load_attr(partition, MP_QSTR__row), &columns, &row);
    return mp_obj_get_int(row[column]);
}

// Where in the flash `count` bytes from a block's `offset` on are; they have to be within the partition.
static mp_int_t locate(mp_obj_t partition, mp_obj_t block, mp_int_t offset, size_t count) {
    mp_int_t size = row_of(partition, ROW_SIZE);
    mp_int_t start = mp_obj_get_int(block) * block_size(partition) + offset;
    if (start < 0 || start > size) {
        refuse(ESP_INVALID_ARG);
    }
    if (count > (size_t)(size - start)) {
        refuse(ESP_INVALID_SIZE);
    }
    return row_of(partition, ROW_ADDRESS) + start;
}

static void erase(mp_obj_t partition, mp_int_t address, size_t count) {
    if (count % SECTOR) {
        refuse(ESP_INVALID_SIZE);
    }
    if ((address - row_of(partition, ROW_ADDRESS)) % SECTOR) {
        refuse(ESP_INVALID_ARG);
    }
    byte request[8];
    write_u32(request, address);
    write_u32(request + 4, count);
    ask(FLASH_ERASE, request, sizeof(request));
}

static void program(mp_int_t address, const mp_buffer_info_t *from) {
    static byte request[4 + SECTOR];
    for (size_t done = 0; done < from->len; done += SECTOR) {
        size_t count = MIN(from->len - done, (size_t)SECTOR);
        write_u32(request, address + done);
        memcpy(request + 4, (const byte *)from->buf + done, count);
        ask(FLASH_WRITE, request, 4 + count);
    }
}

// readblocks(block, buffer, offset=0)
static mp_obj_t read_blocks(mp_obj_t self, size_t count, size_t named, const mp_obj_t *arguments) {
    (void)self;
    mp_arg_check_num(count, named, 3, 4, false);
    mp_buffer_info_t info;
    mp_get_buffer_raise(arguments[2], &info, MP_BUFFER_WRITE);
    mp_int_t offset = count > 3 ? mp_obj_get_int(arguments[3]) : 0;
    read_flash(locate(arguments[0], arguments[1], offset, info.len), &info);
    return mp_const_none;
}

// writeblocks(block, buffer, offset): without an offset the blocks are erased first, as the port does.
static mp_obj_t write_blocks(mp_obj_t self, size_t count, size_t named, const mp_obj_t *arguments) {
    (void)self;
    mp_arg_check_num(count, named, 3, 4, false);
    mp_buffer_info_t info;
    mp_get_buffer_raise(arguments[2], &info, MP_BUFFER_READ);
    mp_int_t offset = count > 3 ? mp_obj_get_int(arguments[3]) : 0;
    mp_int_t address = locate(arguments[0], arguments[1], offset, info.len);
    if (count == 3) {
        erase(arguments[0], address, info.len);
    }
    program(address, &info);
    return mp_const_none;
}

// ioctl(request, argument)
static mp_obj_t control(mp_obj_t self, size_t count, size_t named, const mp_obj_t *arguments) {
    (void)self;
    mp_arg_check_num(count, named, 3, 3, false);
    mp_int_t size = block_size(arguments[0]);
    mp_int_t request = mp_obj_get_int(arguments[1]);
    switch (request) {
        case IOCTL_BLOCK_COUNT:
            return MP_OBJ_NEW_SMALL_INT(row_of(arguments[0], ROW_SIZE) / size);
        case IOCTL_BLOCK_SIZE:
            return MP_OBJ_NEW_SMALL_INT(size);
        case IOCTL_BLOCK_ERASE:
            erase(arguments[0], locate(arguments[0], arguments[2], 0, size), size);
            return MP_OBJ_NEW_SMALL_INT(0);
        default:
            return IOCTL_INIT <= request && request <= IOCTL_SYNC ? MP_OBJ_NEW_SMALL_INT(0) : mp_const_none;
    }
}

// Methods of a class in Python: the interpreter's own kinds of functions would not be told whose
#define METHOD(name, function) \
    static MP_DEFINE_CONST_OBJ_TYPE(name##_type, MP_QSTR_function, MP_TYPE_FLAG_BINDS_SELF, call, function); \
    const mp_obj_base_t name##_obj = { &name##_type }

METHOD(host_read_blocks, read_blocks);
METHOD(host_write_blocks, write_blocks);
METHOD(host_control, control);
