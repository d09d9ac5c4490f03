/* Sends 1000 ticks through a ring and ends the stream.
 *
 *     cc producer.c -lannulus -o producer && ./producer md.ticks
 */
#include <annulus.h>
#include <stdio.h>

struct tick {
    uint64_t instrument;
    double price;
    uint64_t size;
};

static int fails(int32_t code, const char *what)
{
    if (code == ANNULUS_OK) return 0;
    fprintf(stderr, "%s: %s: %s\n", what, annulus_strerror(code), annulus_last_error());
    return 1;
}

int main(int argc, char **argv)
{
    annulus_options options = {.size_bytes = sizeof options, .slot_size_bytes = sizeof(struct tick)};
    options.name = argc > 1 ? argv[1] : "md.ticks";
    annulus_ring *ring;
    annulus_producer *tx;

    /* Whichever of the two programs comes first makes the ring. */
    if (fails(annulus_spsc_open_or_create(&options, &ring), "open")) return 1;
    if (fails(annulus_ring_producer(ring, &tx), "produce")) return 1;
    for (uint64_t i = 0; i < 1000; i++) {
        struct tick tick = {.instrument = 7, .price = 99.9 + 0.1 * (double)i, .size = i};
        if (fails(annulus_producer_push(tx, &tick, sizeof tick, ANNULUS_WAIT_PARK, ANNULUS_FOREVER), "push"))
            return 1;
    }
    annulus_producer_close(tx);
    annulus_ring_free(ring);
    return 0;
}
