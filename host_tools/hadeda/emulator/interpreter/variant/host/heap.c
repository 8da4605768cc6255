// The board's heap: where it lies, and how it runs out.
//
// It lies where it lay the last time, as on a chip: the collector takes whatever looks like an address for one, and
// what has no other hash has its address, so with another place it would keep other garbage, and a report tell another
// high-water mark. And from an allocation of the host's choice on, a few fail, as in a heap in pieces: a
// single one is often a function's frame, which then goes on the stack.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

// Far from the program, which is not moved either (-no-pie), from its libraries and from its stack
#define HEAP_ADDRESS ((void *)0x20000000)

void __real_gc_init(void *start, void *end);

void __wrap_gc_init(void *start, void *end) {
    size_t size = (char *)end - (char *)start;
    int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    char *heap = mmap(HEAP_ADDRESS, size, PROT_READ | PROT_WRITE, kind, -1, 0);
    if (heap == MAP_FAILED) {
        __real_gc_init(start, end);
    } else {
        __real_gc_init(heap, heap + size);
    }
}

enum { IN_A_ROW = 8 };
static uint32_t left = 0; // until the last one that fails; 0: none does

void heap_starve(uint32_t after) {
    left = after ? after + IN_A_ROW - 1 : 0;
}

// Whether this allocation fails; collector.c asks once for each.
bool heap_starves(void) {
    return left && --left < IN_A_ROW;
}
