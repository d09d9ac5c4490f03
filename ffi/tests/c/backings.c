/* backings NAME PATH: a ring in every kind of memory, with every way to wait, carries a lap of messages to
 * a child process. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

#define COUNT 3000

static void consume(annulus_ring *ring)
{
    annulus_consumer *rx;
    struct message m;
    GIVES(ANNULUS_OK, annulus_ring_consumer(ring, &rx));
    for (uint64_t i = 0; i < COUNT; i++) {
        GIVES(ANNULUS_OK, annulus_consumer_pop(rx, &m, SLOT, ANNULUS_WAIT_PARK, SOON));
        check_message(&m, i);
    }
    GIVES(ANNULUS_E_CLOSED, annulus_consumer_pop(rx, &m, SLOT, ANNULUS_WAIT_PARK, SOON));
    annulus_consumer_free(rx);
}

static void carry(annulus_options options)
{
    annulus_ring *ring;
    annulus_producer *tx;
    GIVES(ANNULUS_OK, annulus_spsc_create(&options, &ring));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        /* What has a name is opened by it; the rest is inherited. */
        if (options.backing != ANNULUS_BACKING_ANON) GIVES(ANNULUS_OK, annulus_spsc_open(&options, &ring));
        consume(ring);
        _exit(0);
    }
    GIVES(ANNULUS_OK, annulus_ring_producer(ring, &tx));
    for (uint64_t i = 0; i < COUNT; i++) {
        struct message m = message(i);
        GIVES(ANNULUS_OK, annulus_producer_push(tx, &m, SLOT, ANNULUS_WAIT_PARK, SOON));
    }
    GIVES(ANNULUS_OK, annulus_producer_close(tx));
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (options.backing == ANNULUS_BACKING_SYSV)
        GIVES(ANNULUS_OK, annulus_unlink(options.backing, options.name, options.key));
    else
        GIVES(ANNULUS_OK, annulus_ring_unlink(ring));
    annulus_ring_free(ring);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    const annulus_options plain = {
        .size_bytes = sizeof plain, .name = argv[1], .capacity = 64, .slot_size_bytes = SLOT, .mode = 0600};
    for (int32_t parking = ANNULUS_PARKING_AUTO; parking <= ANNULUS_PARKING_ASYMMETRIC; parking++) {
        annulus_options options = plain;
        options.parking = parking;
        carry(options);
    }
    annulus_options options = plain;
    options.wait_backend = ANNULUS_WAIT_BACKEND_SEMAPHORE;
    carry(options);
    options = plain;
    options.backing = ANNULUS_BACKING_SYSV;
    carry(options);
    options = plain;
    options.backing = ANNULUS_BACKING_FILE;
    options.name = argv[2];
    carry(options);
    options = plain;
    options.backing = ANNULUS_BACKING_ANON;
    carry(options);
    return 0;
}
