// The board's heap lies where it lay the last time, as on a chip.
//
// The collector takes whatever looks like an address for one, and what has no other hash has its address: with another
// place of the heap it would keep other garbage, and a report tell another high-water mark.

#include <stddef.h>
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
