// DPDK's rte_ring passing pointers to the buffers of a pool, over plain memory and without the EAL.
//
// Full buffers travel through one ring and free ones come back through another. As rte_mempool does, each end keeps some
// free buffers to itself and moves them in bulk. A buffer begins with the length of its record.

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ring.h>

enum { most_kept = 32, line = 64 };

struct buffer {
    uint64_t length;
    unsigned char bytes[];
};

// What lies at the beginning of the memory.
struct pool {
    struct rte_ring *full;
    struct rte_ring *empty;
};

// One end, in its owner's own memory.
struct peers_dpdk_end {
    struct pool *pool;
    uint32_t most;
    uint32_t kept;
    void *buffers[most_kept];
};

static size_t rounded(size_t bytes) { return (bytes + line - 1) / line * line; }

static size_t stride_of(size_t longest) { return rounded(sizeof(struct buffer) + longest); }

static size_t ring_bytes(uint32_t buffers) {
    return rounded((size_t)rte_ring_get_memsize(rte_align32pow2(buffers + 1)));
}

// How many such buffers fit into `bytes`.
uint32_t peers_dpdk_buffers(size_t bytes, size_t longest) { return (uint32_t)(bytes / stride_of(longest)); }

size_t peers_dpdk_memory(uint32_t buffers, size_t longest) {
    return line + 2 * ring_bytes(buffers) + buffers * stride_of(longest);
}

// `memory` is aligned to a line, has peers_dpdk_memory() bytes and the same address in every process that uses it. With
// several producers their side is in the mode that DPDK advises where threads share cores (relaxed tail sync).
bool peers_dpdk_init(void *memory, uint32_t buffers, size_t longest, bool several) {
    struct pool *pool = memory;
    unsigned char *at = (unsigned char *)memory + line;
    pool->full = (struct rte_ring *)at;
    at += ring_bytes(buffers);
    pool->empty = (struct rte_ring *)at;
    at += ring_bytes(buffers);
    const unsigned full = RING_F_EXACT_SZ | RING_F_SC_DEQ | (several ? RING_F_MP_RTS_ENQ : RING_F_SP_ENQ);
    const unsigned empty = RING_F_EXACT_SZ | RING_F_SP_ENQ | (several ? RING_F_MC_RTS_DEQ : RING_F_SC_DEQ);
    if (rte_ring_init(pool->full, "full", buffers, full) != 0) return false;
    if (rte_ring_init(pool->empty, "empty", buffers, empty) != 0) return false;
    for (uint32_t i = 0; i < buffers; ++i) {
        if (rte_ring_enqueue(pool->empty, at + i * stride_of(longest)) != 0) return false;
    }
    return true;
}

size_t peers_dpdk_end_bytes(void) { return sizeof(struct peers_dpdk_end); }

// An end keeps at most an eighth of the buffers, divided among the producers.
void peers_dpdk_attach(struct peers_dpdk_end *end, void *memory, uint32_t buffers, uint32_t producers) {
    const uint32_t share = buffers / (8 * producers);
    end->pool = memory;
    end->most = share > most_kept ? most_kept : share > 0 ? share : 1;
    end->kept = 0;
}

bool peers_dpdk_try_send(struct peers_dpdk_end *end, const void *record, size_t length) {
    if (end->kept == 0) {
        end->kept = rte_ring_dequeue_burst(end->pool->empty, end->buffers, end->most, NULL);
        if (end->kept == 0) return false;
    }
    struct buffer *buffer = end->buffers[--end->kept];
    buffer->length = length;
    memcpy(buffer->bytes, record, length);
    // There is room for every buffer there is.
    return rte_ring_enqueue(end->pool->full, buffer) == 0;
}

// The length of the record, or -1 when there is none. `into` has room for the longest.
int64_t peers_dpdk_try_receive(struct peers_dpdk_end *end, void *into) {
    void *taken;
    if (rte_ring_dequeue(end->pool->full, &taken) != 0) return -1;
    struct buffer *buffer = taken;
    const uint64_t length = buffer->length;
    memcpy(into, buffer->bytes, length);
    end->buffers[end->kept++] = buffer;
    if (end->kept == end->most) {
        rte_ring_enqueue_bulk(end->pool->empty, end->buffers, end->kept, NULL);
        end->kept = 0;
    }
    return (int64_t)length;
}
