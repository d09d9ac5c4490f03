/* consumer NAME COUNT BATCH: takes messages 0 to COUNT-1, checks every byte, and sees the end. */
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
    annulus_consumer *rx;
    GIVES(ANNULUS_OK, annulus_spsc_open_or_create(&options, &ring));
    GIVES(ANNULUS_OK, annulus_ring_consumer(ring, &rx));
    annulus_ring_free(ring);

    struct message messages[MOST];
    for (uint64_t taken = 0; taken < count;) {
        size_t n = 1;
        if (batch == 1) {
            GIVES(ANNULUS_OK, annulus_consumer_pop(rx, messages, SLOT, ANNULUS_WAIT_PARK, SOON));
        } else {
            GIVES(ANNULUS_OK, annulus_consumer_pop_many(rx, messages, SLOT, batch, ANNULUS_WAIT_PARK, SOON, &n));
            CHECK(n >= 1 && n <= batch);
        }
        for (size_t i = 0; i < n; i++) check_message(&messages[i], taken + i);
        taken += n;
    }
    GIVES(ANNULUS_E_CLOSED, annulus_consumer_pop(rx, messages, SLOT, ANNULUS_WAIT_PARK, SOON));
    annulus_consumer_free(rx);
    return 0;
}
