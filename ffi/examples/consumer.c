/* Takes ticks from a ring until the producer ends the stream, then removes the ring.
 *
 *     cc consumer.c -lannulus -o consumer && ./consumer md.ticks
 */
#include <annulus.h>
#include <stdio.h>

struct tick {
    uint64_t instrument;
    double price;
    uint64_t size;
};

int main(int argc, char **argv)
{
    annulus_options options = {.size_bytes = sizeof options, .slot_size_bytes = sizeof(struct tick)};
    options.name = argc > 1 ? argv[1] : "md.ticks";
    annulus_ring *ring = NULL;
    annulus_consumer *rx = NULL;
    struct tick tick = {0};
    unsigned ticks = 0;

    int32_t code = annulus_spsc_open_or_create(&options, &ring);
    if (code == ANNULUS_OK) code = annulus_ring_consumer(ring, &rx);
    while (code == ANNULUS_OK) {
        code = annulus_consumer_pop(rx, &tick, sizeof tick, ANNULUS_WAIT_PARK, ANNULUS_FOREVER);
        if (code == ANNULUS_OK) ticks++;
    }
    /* ANNULUS_E_PEER_DIED would say that the producer was killed: another may come and go on. */
    if (code == ANNULUS_E_CLOSED)
        printf("%u ticks, last price %.2f\n", ticks, tick.price);
    else
        fprintf(stderr, "%s: %s\n", annulus_strerror(code), annulus_last_error());
    annulus_consumer_free(rx);
    if (code == ANNULUS_E_CLOSED) annulus_ring_unlink(ring);
    annulus_ring_free(ring);
    return code == ANNULUS_E_CLOSED ? 0 : 1;
}
