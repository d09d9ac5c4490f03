/* producer NAME COUNT BATCH: sends messages 0 to COUNT-1, then closes. */
#include "check.h"

#define MOST 64

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    uint64_t count = strtoull(argv[2], NULL, 10);
    size_t batch = strtoul(argv[3], NULL, 10);
    CHECK(batch >= 1 && batch <= MOST);

    annulus_options options = {
        .size_bytes = sizeof options, .name = argv[1], .capacity = 256, .slot_size_bytes = SLOT};
    annulus_ring *ring;
    annulus_producer *tx;
    GIVES(ANNULUS_OK, annulus_spsc_open_or_create(&options, &ring));
    GIVES(ANNULUS_OK, annulus_ring_producer(ring, &tx));
    annulus_ring_free(ring);

    struct message messages[MOST];
    for (uint64_t sent = 0; sent < count;) {
        if (batch == 1) {
            messages[0] = message(sent++);
            GIVES(ANNULUS_OK, annulus_producer_push(tx, messages, SLOT, ANNULUS_WAIT_PARK, SOON));
            continue;
        }
        size_t n = count - sent < batch ? (size_t)(count - sent) : batch;
        for (size_t i = 0; i < n; i++) messages[i] = message(sent + i);
        size_t pushed;
        /* In turn with a timeout and without one. */
        uint64_t timeout = sent % 2 ? SOON : ANNULUS_FOREVER;
        GIVES(ANNULUS_OK, annulus_producer_push_many(tx, messages, SLOT, n, ANNULUS_WAIT_PARK, timeout, &pushed));
        CHECK(pushed >= 1 && pushed <= n);
        sent += pushed;
    }
    GIVES(ANNULUS_OK, annulus_producer_close(tx));
    return 0;
}
