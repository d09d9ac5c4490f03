// Concurrency Kit's ck_ring with 56-byte messages by value, in memory that forked processes share.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <ck_ring.h>

struct peers_slot {
    uint64_t words[7];
};

CK_RING_PROTOTYPE(slot, peers_slot)

struct peers_ck {
    ck_ring_t ring;
    struct peers_slot slots[];
};

// `slots` is a power of two; one of them stays empty.
void *peers_ck_create(size_t slots, size_t producers) {
    (void)producers;
    const size_t bytes = sizeof(struct peers_ck) + slots * sizeof(struct peers_slot);
    struct peers_ck *queue = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (queue == MAP_FAILED) return NULL;
    ck_ring_init(&queue->ring, (unsigned int)slots);
    return queue;
}

// How many were sent.
size_t peers_ck_send(void *end, const void *messages, size_t count) {
    struct peers_ck *queue = end;
    // ck_ring copies from it.
    struct peers_slot *slots = (struct peers_slot *)messages;
    size_t sent = 0;
    while (sent < count && CK_RING_ENQUEUE_MPMC(slot, &queue->ring, queue->slots, slots + sent)) ++sent;
    return sent;
}

// How many were received.
size_t peers_ck_receive(void *end, void *into, size_t count) {
    struct peers_ck *queue = end;
    struct peers_slot *slots = into;
    size_t received = 0;
    while (received < count && CK_RING_DEQUEUE_MPMC(slot, &queue->ring, queue->slots, slots + received)) ++received;
    return received;
}
