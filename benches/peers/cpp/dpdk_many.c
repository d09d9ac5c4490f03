// DPDK's rte_ring with 56-byte messages by value, in memory that forked processes share, without the EAL.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

enum { element = 56 };

// `slots` is a power of two; one of them stays empty. Mode 0 is the default, 1 relaxed tail sync, 2 head/tail sync.
void *peers_dpdk_many_create(size_t slots, uint32_t mode) {
    static const unsigned flags[] = {0, RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ, RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ};
    const ssize_t bytes = rte_ring_get_memsize_elem(element, (unsigned)slots);
    if (bytes < 0) return NULL;
    void *memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    return rte_ring_init(memory, "many", (unsigned)slots, flags[mode]) == 0 ? memory : NULL;
}

// How many were sent.
size_t peers_dpdk_many_send(void *end, const void *messages, size_t count) {
    if (count == 1) return rte_ring_enqueue_elem(end, (void *)messages, element) == 0;
    return rte_ring_enqueue_burst_elem(end, messages, element, (unsigned)count, NULL);
}

// How many were received.
size_t peers_dpdk_many_receive(void *end, void *into, size_t count) {
    if (count == 1) return rte_ring_dequeue_elem(end, into, element) == 0;
    return rte_ring_dequeue_burst_elem(end, into, element, (unsigned)count, NULL);
}
