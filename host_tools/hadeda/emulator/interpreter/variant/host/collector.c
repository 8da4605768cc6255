// The interpreter's collector, in less time: what it marks, frees and finds is what py/gc.c does, block by block.
//
// A simulated week is for the most part garbage collection. Here one comparison tells whether a word may be an address
// of the heap (where the processor can, four words at a time), the marking stack holds whatever the heap can, and the
// allocation table is looked through sixteen blocks at a time. The table: two bits a block, py/gc.c. There is one area,
// and it starts at a page (heap.c).

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "py/gc.h"
#include "py/mpstate.h"
#include "py/mpthread.h"
#include "py/runtime.h"

#if defined(__SSE2__) && UINTPTR_MAX == UINT32_MAX
#include <emmintrin.h>
#define FOUR_AT_A_TIME (1)
#else
#define FOUR_AT_A_TIME (0)
#endif

enum { FREE, HEAD, TAIL, MARK };
enum { BLOCKS_PER_BYTE = 4, BLOCKS_PER_WORD = 16, FLAGS_PER_BYTE = 8 };
#define BYTES_PER_BLOCK (MICROPY_BYTES_PER_GC_BLOCK)
#define BLOCK_BITS (sizeof(void *) == 4 ? 4 : 5)
#define ADDRESS_BITS (8 * sizeof(void *))
#define LOW_BITS (0x55555555u) // of each of a word's sixteen blocks
#define TAILS (0xAAAAAAAAu)    // sixteen of them

#define AREA (&MP_STATE_MEM(area))

static uint32_t *marked = NULL; // blocks whose children are still to be looked at

static unsigned kind_of(const byte *table, size_t block) {
    return table[block / BLOCKS_PER_BYTE] >> 2 * (block % BLOCKS_PER_BYTE) & 3;
}

static size_t blocks_of_area(void) {
    return AREA->gc_alloc_table_byte_len * BLOCKS_PER_BYTE;
}

// The table in words of sixteen blocks. After the last whole one come up to three bytes; what is beyond is not the table.
static size_t words_of_area(void) {
    return (AREA->gc_alloc_table_byte_len + sizeof(uint32_t) - 1) / sizeof(uint32_t);
}

static size_t cut_short(size_t at) {
    size_t begin = at * sizeof(uint32_t);
    return begin + sizeof(uint32_t) > AREA->gc_alloc_table_byte_len ? AREA->gc_alloc_table_byte_len - begin : 0;
}

static inline uint32_t get_word(size_t at) {
    uint32_t word;
    const byte *place = AREA->gc_alloc_table_start + at * sizeof(word);
    if (!cut_short(at)) {
        memcpy(&word, place, sizeof(word));
        return word;
    }
    word = 0;
    memcpy(&word, place, cut_short(at));
    return word;
}

static inline void put_word(size_t at, uint32_t word) {
    memcpy(AREA->gc_alloc_table_start + at * sizeof(word), &word, cut_short(at) ? cut_short(at) : sizeof(word));
}

// --- mark ----------------------------------------------------------------------------------------------------------

// Which block starts at an address. One that starts none gets its odd bits on top, and is beyond the last one.
static inline uintptr_t block_of(uintptr_t address, uintptr_t pool) {
    uintptr_t offset = address - pool;
    return offset >> BLOCK_BITS | offset << (ADDRESS_BITS - BLOCK_BITS);
}

#if FOUR_AT_A_TIME
// A bit for each of four words that has a block: most words of a heap are code and text, and have none.
static inline unsigned with_block(void **words, __m128i pool, __m128i blocks) {
    __m128i offset = _mm_sub_epi32(_mm_loadu_si128((__m128i *)words), pool);
    __m128i block = _mm_or_si128(_mm_srli_epi32(offset, BLOCK_BITS), _mm_slli_epi32(offset, ADDRESS_BITS - BLOCK_BITS));
    // There is a signed comparison only
    __m128i sign = _mm_set1_epi32(INT32_MIN);
    return _mm_movemask_ps(_mm_castsi128_ps(_mm_cmplt_epi32(_mm_xor_si128(block, sign), _mm_xor_si128(blocks, sign))));
}
#endif

// Mark every head that one of these words points to, and let its children wait on the stack; returns its new height.
static inline size_t mark_words(void **words, size_t count, size_t height) {
    byte *table = AREA->gc_alloc_table_start;
    uintptr_t pool = (uintptr_t)AREA->gc_pool_start;
    size_t blocks = blocks_of_area();
    void **end = words + count;
    while (words < end) {
        #if FOUR_AT_A_TIME
        if (end - words >= 4) {
            unsigned found = with_block(words, _mm_set1_epi32(pool), _mm_set1_epi32(blocks));
            if (!found) {
                words += 4;
                continue;
            }
            words += __builtin_ctz(found);
        }
        #endif
        uintptr_t block = block_of((uintptr_t)*words++, pool);
        if (block < blocks && kind_of(table, block) == HEAD) {
            table[block / BLOCKS_PER_BYTE] |= MARK << 2 * (block % BLOCKS_PER_BYTE);
            marked[height++] = block;
        }
    }
    return height;
}

// The block after an object's last one. A byte of free blocks follows the table.
static inline size_t end_of(const byte *table, size_t first) {
    size_t end = first + 1;
    for (;;) {
        uint32_t word;
        memcpy(&word, table + end / BLOCKS_PER_BYTE, sizeof(word));
        unsigned skipped = end % BLOCKS_PER_BYTE;
        uint32_t others = word >> 2 * skipped ^ TAILS; // what is shifted in is none
        unsigned tails = others ? __builtin_ctz(others) / 2 : BLOCKS_PER_WORD;
        end += tails;
        if (tails + skipped < BLOCKS_PER_WORD) {
            return end;
        }
    }
}

void __wrap_gc_collect_root(void **words, size_t count) {
    const byte *table = AREA->gc_alloc_table_start;
    size_t height = mark_words(words, count, 0);
    while (height) {
        size_t first = marked[--height];
        size_t end = end_of(table, first);
        void **content = (void **)(AREA->gc_pool_start + first * BYTES_PER_BLOCK);
        height = mark_words(content, (end - first) * BYTES_PER_BLOCK / sizeof(void *), height);
    }
}

void __wrap_gc_collect_start(void) {
    mp_thread_recursive_mutex_lock(&MP_STATE_MEM(gc_mutex), 1);
    if (marked == NULL) {
        marked = malloc(blocks_of_area() * sizeof(*marked));
    }
    MP_STATE_THREAD(gc_lock_depth) |= GC_COLLECT_FLAG;
    MP_STATE_MEM(gc_alloc_amount) = 0;
    size_t first = offsetof(mp_state_ctx_t, thread.dict_locals) / sizeof(void *);
    size_t end = offsetof(mp_state_ctx_t, vm.qstr_last_chunk) / sizeof(void *);
    __wrap_gc_collect_root((void **)(void *)&mp_state_ctx + first, end - first);
}

// --- sweep ---------------------------------------------------------------------------------------------------------

static void finalise(size_t block) {
    mp_obj_base_t *object = (mp_obj_base_t *)(AREA->gc_pool_start + block * BYTES_PER_BLOCK);
    if (object->type != NULL) {
        mp_obj_t method[2];
        mp_load_method_maybe(MP_OBJ_FROM_PTR(object), MP_QSTR___del__, method);
        if (method[0] != MP_OBJ_NULL) {
            mp_sched_lock();
            mp_call_function_1_protected(method[0], method[1]);
            mp_sched_unlock();
        }
    }
}

static void run_finalisers(void) {
    for (size_t at = 0; at <= AREA->gc_last_used_block / FLAGS_PER_BYTE; at++) {
        byte flags = AREA->gc_finaliser_table_start[at];
        for (size_t block = at * FLAGS_PER_BYTE; flags; flags >>= 1, block++) {
            if (flags & 1 && kind_of(AREA->gc_alloc_table_start, block) == HEAD) {
                finalise(block);
                AREA->gc_finaliser_table_start[at] &= ~(1 << block % FLAGS_PER_BYTE);
            }
        }
    }
}

// Free heads that are not marked, with their tails, and unmark the others; of each block only the lower bit is looked at.
static void free_blocks(void) {
    size_t last_used = 0;
    size_t words = AREA->gc_last_used_block / BLOCKS_PER_WORD + 1;
    uint32_t goes_on = 0; // the block before this word was freed
    for (size_t at = 0; at < words; at++) {
        uint32_t word = get_word(at);
        uint32_t low = word & LOW_BITS, high = word >> 1 & LOW_BITS;
        uint32_t heads = low & ~high, tails = high & ~low, marks = low & high;
        // The first tail of what is freed, added to the tails: the carry runs through all that follow it
        uint32_t first = (heads << 2 | goes_on) & tails;
        uint32_t freed = heads | (tails & ~((tails | tails << 1) + first));
        goes_on = freed >> (2 * (BLOCKS_PER_WORD - 1));
        uint32_t left = word & ~(freed | freed << 1 | marks << 1);
        if (left != word) {
            put_word(at, left);
        }
        if (left) {
            last_used = at * BLOCKS_PER_WORD + (31 - __builtin_clz(left)) / 2;
        }
    }
    AREA->gc_last_used_block = last_used;
}

void __wrap_gc_collect_end(void) {
    run_finalisers();
    free_blocks();
    AREA->gc_last_free_atb_index = 0;
    MP_STATE_THREAD(gc_lock_depth) &= ~GC_COLLECT_FLAG;
    mp_thread_recursive_mutex_unlock(&MP_STATE_MEM(gc_mutex));
}

// --- allocate ------------------------------------------------------------------------------------------------------

// Of a word's blocks, those at which `count` of its blocks begin that are all among `free`.
static uint32_t rows_of(uint32_t free, size_t count) {
    uint32_t rows = count <= BLOCKS_PER_WORD ? free : 0;
    for (size_t more = 1; more < count && rows; more++) {
        rows &= free >> 2 * more;
    }
    return rows;
}

// The first of `count` free blocks in a row, or `none`.
static size_t find_free(size_t count, size_t none) {
    size_t start = AREA->gc_last_free_atb_index * BLOCKS_PER_BYTE;
    size_t words = words_of_area();
    uint32_t before = (1u << 2 * (start % BLOCKS_PER_WORD)) - 1; // where nobody looks any more counts as used
    size_t row = 0; // so many blocks before this word are free
    for (size_t at = start / BLOCKS_PER_WORD; at < words; at++, before = 0) {
        uint32_t word = get_word(at) | before;
        if (cut_short(at)) {
            word |= ~0u << 8 * cut_short(at);
        }
        uint32_t used = (word | word >> 1) & LOW_BITS;
        if (used == LOW_BITS) {
            row = 0;
            continue;
        }
        size_t low = used ? __builtin_ctz(used) / 2 : BLOCKS_PER_WORD;
        if (row + low >= count) {
            return at * BLOCKS_PER_WORD - row;
        }
        uint32_t rows = rows_of(used ^ LOW_BITS, count);
        if (rows) {
            return at * BLOCKS_PER_WORD + __builtin_ctz(rows) / 2;
        }
        row = used ? (size_t)__builtin_clz(used) / 2 : row + BLOCKS_PER_WORD;
    }
    return none;
}

static void take(size_t first, size_t count) {
    byte *table = AREA->gc_alloc_table_start;
    table[first / BLOCKS_PER_BYTE] |= HEAD << 2 * (first % BLOCKS_PER_BYTE);
    for (size_t block = first + 1; block < first + count; block++) {
        table[block / BLOCKS_PER_BYTE] |= TAIL << 2 * (block % BLOCKS_PER_BYTE);
    }
    if (count == 1) {
        AREA->gc_last_free_atb_index = (first + 1) / BLOCKS_PER_BYTE; // before it there is none
    }
    AREA->gc_last_used_block = MAX(AREA->gc_last_used_block, first + count - 1);
    MP_STATE_MEM(gc_alloc_amount) += count;
}

bool heap_starves(void); // heap.c

void *__wrap_gc_alloc(size_t size, unsigned int flags) {
    size_t count = (size + BYTES_PER_BLOCK - 1) / BYTES_PER_BLOCK;
    if (heap_starves() || count == 0 || MP_STATE_THREAD(gc_lock_depth) > 0) {
        return NULL;
    }
    bool may_collect = MP_STATE_MEM(gc_auto_collect_enabled);
    if (may_collect && MP_STATE_MEM(gc_alloc_amount) >= MP_STATE_MEM(gc_alloc_threshold)) {
        gc_collect();
        may_collect = false;
    }
    mp_thread_recursive_mutex_lock(&MP_STATE_MEM(gc_mutex), 1);
    size_t none = blocks_of_area();
    size_t first = find_free(count, none);
    if (first == none && may_collect) {
        gc_collect(); // the lock is recursive
        first = find_free(count, none);
    }
    void *found = NULL;
    if (first != none) {
        take(first, count);
        found = AREA->gc_pool_start + first * BYTES_PER_BLOCK;
        if (flags & GC_ALLOC_FLAG_HAS_FINALISER) {
            AREA->gc_finaliser_table_start[first / FLAGS_PER_BYTE] |= 1 << first % FLAGS_PER_BYTE;
        }
    }
    mp_thread_recursive_mutex_unlock(&MP_STATE_MEM(gc_mutex));
    if (found != NULL) {
        memset(found, 0, count * BYTES_PER_BLOCK);
    }
    return found;
}

// For gc.mem_alloc and gc.mem_free: only their sums. micropython.mem_info has py/gc.c's own count.
void __wrap_gc_info(gc_info_t *info) {
    memset(info, 0, sizeof(*info));
    info->total = AREA->gc_pool_end - AREA->gc_pool_start;
    for (size_t at = 0; at < words_of_area(); at++) {
        uint32_t word = get_word(at);
        info->used += __builtin_popcount((word | word >> 1) & LOW_BITS);
    }
    info->used *= BYTES_PER_BLOCK;
    info->free = blocks_of_area() * BYTES_PER_BLOCK - info->used;
}
