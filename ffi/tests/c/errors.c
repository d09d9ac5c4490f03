/* errors NAME: every outcome and every wrong parameter gives its code, and says why. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static annulus_options options;
static annulus_ring *ring;
static annulus_producer *tx;
static annulus_consumer *rx;

/* The number behind `field` in this process's status, in the given base. */
static unsigned long long status(const char *field, int base)
{
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    unsigned long long number = 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0) number = strtoull(line + strlen(field), NULL, base);
    fclose(file);
    return number;
}

static void says(const char *part)
{
    if (strstr(annulus_last_error(), part) == NULL) {
        fprintf(stderr, "the last error says \"%s\", not \"%s\"\n", annulus_last_error(), part);
        exit(1);
    }
}

static void versions_and_texts(void)
{
    CHECK(annulus_c_abi() == ANNULUS_C_ABI);
    CHECK(annulus_wire_version() >= 1);
    CHECK(strchr(annulus_version(), '.') != NULL);
    for (int32_t code = 0; code >= ANNULUS_E_OTHER; code--) {
        CHECK(strstr(annulus_strerror(code), "not a code") == NULL);
        for (int32_t other = 0; other > code; other--)
            CHECK(strcmp(annulus_strerror(code), annulus_strerror(other)) != 0);
    }
    CHECK(strstr(annulus_strerror(1), "not a code") != NULL);
    CHECK(strstr(annulus_strerror(INT32_MIN), "not a code") != NULL);
    CHECK(strcmp(annulus_last_error(), "") == 0);
    CHECK(annulus_last_os_error() == 0);
}

/* Creating and opening with `wrong` options fails with `code` and a text with `part` in it. */
static void refused(annulus_options wrong, int32_t code, const char *part)
{
    int32_t (*const calls[])(const annulus_options *, annulus_ring **) = {
        annulus_spsc_create, annulus_spsc_open, annulus_spsc_open_or_create};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        ring = (annulus_ring *)&options;
        GIVES(code, calls[i](&wrong, &ring));
        CHECK(ring == NULL);
        says(part);
    }
}

static void wrong_options(void)
{
#define WITH(field, value, code, part)                                                                       \
    do {                                                                                                     \
        annulus_options wrong = options;                                                                     \
        wrong.field = (value);                                                                               \
        refused(wrong, code, part);                                                                          \
    } while (0)
    WITH(size_bytes, 0, ANNULUS_E_INVALID, "size_bytes");
    WITH(size_bytes, sizeof options - 1, ANNULUS_E_INVALID, "size_bytes");
    WITH(size_bytes, UINT32_MAX, ANNULUS_E_INVALID, "size_bytes");
    WITH(backing, -1, ANNULUS_E_INVALID, "backing");
    WITH(backing, 4, ANNULUS_E_INVALID, "backing");
    WITH(wait_backend, 2, ANNULUS_E_INVALID, "wait_backend");
    WITH(parking, 4, ANNULUS_E_INVALID, "parking");
    WITH(parking, INT32_MIN, ANNULUS_E_INVALID, "parking");
    WITH(mode, 01000, ANNULUS_E_INVALID, "mode");
    WITH(key, 7, ANNULUS_E_INVALID, "key");
    WITH(name, NULL, ANNULUS_E_NULL, "name is NULL");
    WITH(name, "", ANNULUS_E_INVALID, "name");
    WITH(name, "a/b", ANNULUS_E_INVALID, "name");
    WITH(name, "\xff", ANNULUS_E_INVALID, "UTF-8");

    annulus_options wrong = options;
    GIVES(ANNULUS_E_NOT_FOUND, annulus_spsc_open(&wrong, &ring));
    says(options.name);
    wrong.capacity = 3;
    GIVES(ANNULUS_E_INVALID, annulus_spsc_create(&wrong, &ring));
    says("capacity");
    wrong = options;
    wrong.slot_size_bytes = 0;
    GIVES(ANNULUS_E_INVALID, annulus_spsc_create(&wrong, &ring));

    /* A larger struct of a later version: fine while the new options are not used. */
    struct {
        annulus_options known;
        uint64_t unknown;
    } later = {options, 0};
    later.known.size_bytes = sizeof later;
    GIVES(ANNULUS_E_NOT_FOUND, annulus_spsc_open(&later.known, &ring));
    later.unknown = 1;
    GIVES(ANNULUS_E_INVALID, annulus_spsc_open(&later.known, &ring));
    says("does not know");
}

static void nulls(void)
{
    char bytes[SLOT] = {0};
    size_t n = 7;
    GIVES(ANNULUS_E_NULL, annulus_spsc_create(NULL, &ring));
    GIVES(ANNULUS_E_NULL, annulus_spsc_create(&options, NULL));
    GIVES(ANNULUS_E_NULL, annulus_spsc_open(NULL, &ring));
    GIVES(ANNULUS_E_NULL, annulus_spsc_open_or_create(&options, NULL));
    GIVES(ANNULUS_E_NULL, annulus_unlink(ANNULUS_BACKING_POSIX_SHM, NULL, 0));
    GIVES(ANNULUS_E_NULL, annulus_ring_unlink(NULL));
    GIVES(ANNULUS_E_NULL, annulus_ring_capacity(NULL, &(uint64_t){0}));
    GIVES(ANNULUS_E_NULL, annulus_ring_slot_size(NULL, &(uint64_t){0}));
    GIVES(ANNULUS_E_NULL, annulus_ring_producer(NULL, &tx));
    GIVES(ANNULUS_E_NULL, annulus_ring_consumer(NULL, &rx));
    GIVES(ANNULUS_E_NULL, annulus_producer_try_push(NULL, bytes, SLOT));
    GIVES(ANNULUS_E_NULL, annulus_producer_push(NULL, bytes, SLOT, ANNULUS_WAIT_PARK, 0));
    GIVES(ANNULUS_E_NULL, annulus_producer_try_push_many(NULL, bytes, SLOT, 1, &n));
    CHECK(n == 0);
    GIVES(ANNULUS_E_NULL, annulus_producer_push_many(NULL, bytes, SLOT, 1, ANNULUS_WAIT_PARK, 0, &n));
    GIVES(ANNULUS_E_NULL, annulus_producer_len(NULL, &(uint64_t){0}));
    GIVES(ANNULUS_E_NULL, annulus_producer_close(NULL));
    GIVES(ANNULUS_E_NULL, annulus_consumer_try_pop(NULL, bytes, SLOT));
    GIVES(ANNULUS_E_NULL, annulus_consumer_pop(NULL, bytes, SLOT, ANNULUS_WAIT_PARK, 0));
    GIVES(ANNULUS_E_NULL, annulus_consumer_try_pop_many(NULL, bytes, SLOT, 1, &n));
    GIVES(ANNULUS_E_NULL, annulus_consumer_pop_many(NULL, bytes, SLOT, 1, ANNULUS_WAIT_PARK, 0, &n));
    GIVES(ANNULUS_E_NULL, annulus_consumer_len(NULL, &(uint64_t){0}));
    GIVES(ANNULUS_E_NULL, annulus_consumer_close(NULL));
    says("consumer is NULL");
    annulus_ring_free(NULL);
    annulus_producer_free(NULL);
    annulus_consumer_free(NULL);
}

static void a_ring_and_its_ends(void)
{
    uint64_t number = 0;
    annulus_ring *second;
    GIVES(ANNULUS_OK, annulus_spsc_create(&options, &ring));
    GIVES(ANNULUS_E_EXISTS, annulus_spsc_create(&options, &second));
    CHECK(second == NULL);
    annulus_options other = options;
    other.slot_size_bytes = SLOT + 8;
    GIVES(ANNULUS_E_MISMATCH, annulus_spsc_open(&other, &second));
    GIVES(ANNULUS_E_MISMATCH, annulus_spsc_open_or_create(&other, &second));
    other.slot_size_bytes = 0;
    GIVES(ANNULUS_OK, annulus_spsc_open(&other, &second));
    GIVES(ANNULUS_OK, annulus_ring_slot_size(second, &number));
    CHECK(number == SLOT);
    GIVES(ANNULUS_OK, annulus_ring_capacity(second, &number));
    CHECK(number == 4);
    GIVES(ANNULUS_E_NULL, annulus_ring_capacity(second, NULL));

    GIVES(ANNULUS_E_NULL, annulus_ring_producer(ring, NULL));
    GIVES(ANNULUS_OK, annulus_ring_producer(ring, &tx));
    GIVES(ANNULUS_OK, annulus_ring_consumer(second, &rx));
    annulus_producer *tx2 = tx;
    annulus_consumer *rx2 = rx;
    GIVES(ANNULUS_E_OCCUPIED, annulus_ring_producer(second, &tx2));
    GIVES(ANNULUS_E_OCCUPIED, annulus_ring_consumer(ring, &rx2));
    CHECK(tx2 == NULL && rx2 == NULL);
    annulus_ring_free(second);

    /* An end that was left in order can be taken again. */
    annulus_producer_free(tx);
    GIVES(ANNULUS_OK, annulus_ring_producer(ring, &tx));
}

static void wrong_calls(void)
{
    struct message m = message(0);
    size_t n = 7;
    GIVES(ANNULUS_E_NULL, annulus_producer_try_push(tx, NULL, SLOT));
    GIVES(ANNULUS_E_INVALID, annulus_producer_try_push(tx, &m, SLOT - 1));
    says("56");
    GIVES(ANNULUS_E_INVALID, annulus_producer_try_push(tx, &m, 0));
    GIVES(ANNULUS_E_INVALID, annulus_producer_push(tx, &m, SLOT, 3, 0));
    GIVES(ANNULUS_E_INVALID, annulus_producer_push(tx, &m, SLOT, -1, ANNULUS_FOREVER));
    GIVES(ANNULUS_E_NULL, annulus_producer_try_push_many(tx, &m, SLOT, 1, NULL));
    GIVES(ANNULUS_E_INVALID, annulus_producer_try_push_many(tx, &m, SLOT, SIZE_MAX / 2, &n));
    CHECK(n == 0);
    GIVES(ANNULUS_E_INVALID, annulus_producer_try_push_many(tx, &m, 0, 1, &n));
    GIVES(ANNULUS_E_INVALID, annulus_producer_push_many(tx, &m, SLOT, 1, 9, 0, &n));
    GIVES(ANNULUS_E_NULL, annulus_producer_len(tx, NULL));
    GIVES(ANNULUS_E_NULL, annulus_consumer_try_pop(rx, NULL, SLOT));
    GIVES(ANNULUS_E_INVALID, annulus_consumer_try_pop(rx, &m, SLOT + 1));
    GIVES(ANNULUS_E_INVALID, annulus_consumer_pop(rx, &m, SLOT, INT32_MAX, 0));
    GIVES(ANNULUS_E_INVALID, annulus_consumer_try_pop_many(rx, &m, 0, 1, &n));
    GIVES(ANNULUS_E_INVALID, annulus_consumer_try_pop_many(rx, &m, SLOT, SIZE_MAX / 2, &n));
    GIVES(ANNULUS_E_NULL, annulus_consumer_pop_many(rx, NULL, SLOT, 1, ANNULUS_WAIT_PARK, 0, &n));
    GIVES(ANNULUS_OK, annulus_producer_try_push_many(tx, &m, SLOT, 0, &n));
    GIVES(ANNULUS_OK, annulus_consumer_try_pop_many(rx, &m, SLOT, 0, &n));
    GIVES(ANNULUS_E_EMPTY, annulus_consumer_try_pop(rx, &m, SLOT));
}

static void full_and_empty(void)
{
    const int32_t waits[] = {ANNULUS_WAIT_PARK, ANNULUS_WAIT_YIELD, ANNULUS_WAIT_SPIN};
    struct message sent[6], got[6], m;
    size_t n = 7;
    uint64_t len = 7;
    for (uint64_t i = 0; i < 6; i++) sent[i] = message(i);
    for (size_t i = 0; i < 3; i++)
        GIVES(ANNULUS_E_TIMED_OUT, annulus_consumer_pop(rx, &m, SLOT, waits[i], 1000000));
    GIVES(ANNULUS_E_EMPTY, annulus_consumer_try_pop_many(rx, got, SLOT, 6, &n));
    CHECK(n == 0);
    GIVES(ANNULUS_OK, annulus_producer_try_push_many(tx, sent, SLOT, 6, &n));
    CHECK(n == 4);
    GIVES(ANNULUS_OK, annulus_producer_len(tx, &len));
    CHECK(len == 4);
    GIVES(ANNULUS_OK, annulus_consumer_len(rx, &len));
    CHECK(len == 4);
    GIVES(ANNULUS_E_FULL, annulus_producer_try_push(tx, &sent[4], SLOT));
    CHECK(strcmp(annulus_last_error(), annulus_strerror(ANNULUS_E_FULL)) == 0);
    GIVES(ANNULUS_E_FULL, annulus_producer_try_push_many(tx, &sent[4], SLOT, 2, &n));
    CHECK(n == 0);
    for (size_t i = 0; i < 3; i++)
        GIVES(ANNULUS_E_TIMED_OUT, annulus_producer_push(tx, &sent[4], SLOT, waits[i], 1000000));
    GIVES(ANNULUS_E_TIMED_OUT, annulus_producer_push_many(tx, &sent[4], SLOT, 2, ANNULUS_WAIT_PARK, 0, &n));
    GIVES(ANNULUS_OK, annulus_consumer_pop(rx, got, SLOT, ANNULUS_WAIT_PARK, ANNULUS_FOREVER));
    GIVES(ANNULUS_OK, annulus_producer_push(tx, &sent[4], SLOT, ANNULUS_WAIT_PARK, ANNULUS_FOREVER));
    GIVES(ANNULUS_OK, annulus_consumer_try_pop_many(rx, got + 1, SLOT, 5, &n));
    CHECK(n == 4);
    for (uint64_t i = 0; i < 5; i++) check_message(&got[i], i);
    GIVES(ANNULUS_E_EMPTY, annulus_consumer_try_pop(rx, &m, SLOT));
}

static void the_end(void)
{
    struct message m = message(1);
    GIVES(ANNULUS_OK, annulus_producer_try_push(tx, &m, SLOT));
    GIVES(ANNULUS_OK, annulus_producer_close(tx));
    GIVES(ANNULUS_OK, annulus_consumer_try_pop(rx, &m, SLOT));
    check_message(&m, 1);
    GIVES(ANNULUS_E_CLOSED, annulus_consumer_try_pop(rx, &m, SLOT));
    GIVES(ANNULUS_E_CLOSED, annulus_consumer_pop(rx, &m, SLOT, ANNULUS_WAIT_PARK, SOON));
    GIVES(ANNULUS_E_CLOSED, annulus_ring_producer(ring, &tx));
    GIVES(ANNULUS_OK, annulus_consumer_close(rx));
    GIVES(ANNULUS_E_CLOSED, annulus_ring_consumer(ring, &rx));
    GIVES(ANNULUS_OK, annulus_ring_unlink(ring));
    GIVES(ANNULUS_E_NOT_FOUND, annulus_spsc_open(&options, &(annulus_ring *){NULL}));
    GIVES(ANNULUS_E_NOT_FOUND, annulus_unlink(ANNULUS_BACKING_POSIX_SHM, options.name, 0));
    annulus_ring_free(ring);

    /* A consumer that closes stops the producer. */
    GIVES(ANNULUS_OK, annulus_spsc_create(&options, &ring));
    GIVES(ANNULUS_OK, annulus_ring_producer(ring, &tx));
    GIVES(ANNULUS_OK, annulus_ring_consumer(ring, &rx));
    GIVES(ANNULUS_OK, annulus_consumer_close(rx));
    GIVES(ANNULUS_E_CLOSED, annulus_producer_push(tx, &m, SLOT, ANNULUS_WAIT_PARK, SOON));
    annulus_producer_free(tx);
    annulus_ring_free(ring);
    GIVES(ANNULUS_OK, annulus_unlink(ANNULUS_BACKING_POSIX_SHM, options.name, 0));
}

static void a_peer_that_is_killed(void)
{
    struct message m = message(1);
    GIVES(ANNULUS_OK, annulus_spsc_create(&options, &ring));
    GIVES(ANNULUS_OK, annulus_ring_consumer(ring, &rx));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        GIVES(ANNULUS_OK, annulus_spsc_open(&options, &ring));
        GIVES(ANNULUS_OK, annulus_ring_producer(ring, &tx));
        GIVES(ANNULUS_OK, annulus_producer_try_push(tx, &m, SLOT));
        raise(SIGKILL);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    /* What was committed is there; then the death is told, and a successor goes on. */
    GIVES(ANNULUS_OK, annulus_consumer_pop(rx, &m, SLOT, ANNULUS_WAIT_PARK, SOON));
    check_message(&m, 1);
    GIVES(ANNULUS_E_PEER_DIED, annulus_consumer_pop(rx, &m, SLOT, ANNULUS_WAIT_PARK, SOON));
    GIVES(ANNULUS_OK, annulus_ring_producer(ring, &tx));
    GIVES(ANNULUS_OK, annulus_producer_try_push(tx, &m, SLOT));
    GIVES(ANNULUS_OK, annulus_consumer_try_pop(rx, &m, SLOT));
    annulus_producer_free(tx);
    annulus_consumer_free(rx);
    GIVES(ANNULUS_OK, annulus_ring_unlink(ring));
    annulus_ring_free(ring);
}

static void what_is_not_a_ring(void)
{
    annulus_options other = options;
    other.backing = ANNULUS_BACKING_FILE;
    other.name = "/";
    GIVES(ANNULUS_E_INVALID, annulus_spsc_open(&other, &ring));
    other.name = "/proc";
    GIVES(ANNULUS_E_NOT_A_RING, annulus_spsc_open(&other, &ring));
    GIVES(ANNULUS_E_NOT_A_RING, annulus_unlink(ANNULUS_BACKING_FILE, "/proc", 0));
    other.name = "/dev/null/ring";
    GIVES(ANNULUS_E_OS, annulus_spsc_create(&other, &ring));
    CHECK(annulus_last_os_error() != 0);
    says("/dev/null");
    GIVES(ANNULUS_E_INVALID, annulus_unlink(17, options.name, 0));
    CHECK(annulus_last_os_error() == 0);
    other = options;
    other.backing = ANNULUS_BACKING_ANON;
    GIVES(ANNULUS_E_INVALID, annulus_spsc_open(&other, &ring));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    options = (annulus_options){
        .size_bytes = sizeof options, .name = argv[1], .capacity = 4, .slot_size_bytes = SLOT};
    unsigned long long handlers = status("SigCgt:", 16);
    versions_and_texts();
    wrong_options();
    nulls();
    a_ring_and_its_ends();
    wrong_calls();
    full_and_empty();
    the_end();
    a_peer_that_is_killed();
    what_is_not_a_ring();
    CHECK(status("Threads:", 10) == 1);
    CHECK(status("SigCgt:", 16) == handlers);
    return 0;
}
