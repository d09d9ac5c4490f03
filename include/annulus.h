/* Ring buffers in shared memory, for messages between processes on one Linux machine: the C interface.
 *
 * Functions return ANNULUS_OK or a negative ANNULUS_E_* code; annulus_strerror and annulus_last_error have
 * the words. A handle is used by one thread at a time and may move between threads. Nothing here starts a
 * thread, installs a signal handler or writes a log.
 *
 * Generated from ffi/src by cbindgen; changes belong there. */

#ifndef ANNULUS_H
#define ANNULUS_H

#include <stddef.h>
#include <stdint.h>

/**
 * The number of this C ABI. A header and a library with different numbers do not fit together.
 */
#define ANNULUS_C_ABI 1

/**
 * Done.
 */
#define ANNULUS_OK 0

/**
 * No slot is free. Expected; nothing was pushed.
 */
#define ANNULUS_E_FULL -1

/**
 * No message is there. Expected; nothing was taken.
 */
#define ANNULUS_E_EMPTY -2

/**
 * The other side has closed the ring (a consumer has drained it too), or this end was closed for good.
 */
#define ANNULUS_E_CLOSED -3

/**
 * The other side died, and waiting for it is in vain until a successor comes.
 */
#define ANNULUS_E_PEER_DIED -4

/**
 * The time was up.
 */
#define ANNULUS_E_TIMED_OUT -5

/**
 * The words in the ring make no sense: somebody damaged it.
 */
#define ANNULUS_E_CORRUPT -6

/**
 * A living process holds this end of the ring.
 */
#define ANNULUS_E_OCCUPIED -7

/**
 * Something of that name exists already.
 */
#define ANNULUS_E_EXISTS -8

/**
 * Nothing has that name.
 */
#define ANNULUS_E_NOT_FOUND -9

/**
 * Something has that name, but it is not a ring.
 */
#define ANNULUS_E_NOT_A_RING -10

/**
 * A ring whose creator has not finished, or died before it did.
 */
#define ANNULUS_E_UNFINISHED -11

/**
 * A ring, but another one than asked for, or a damaged one.
 */
#define ANNULUS_E_MISMATCH -12

/**
 * There is not enough memory or disk for the whole ring. Nothing was left behind.
 */
#define ANNULUS_E_NO_SPACE -13

/**
 * The kernel refused; `annulus_last_os_error` has the errno.
 */
#define ANNULUS_E_OS -14

/**
 * A pointer that must not be NULL is NULL.
 */
#define ANNULUS_E_NULL -15

/**
 * A parameter or an option is out of its range; `annulus_last_error` names it.
 */
#define ANNULUS_E_INVALID -16

/**
 * A defect of the library, also reported on stderr. The handle that was used may only be freed.
 */
#define ANNULUS_E_PANIC -17

/**
 * A failure that this version of the library has no number for; `annulus_last_error` describes it.
 */
#define ANNULUS_E_OTHER -18

/**
 * Poll for some 20 us, then sleep in the kernel. Costs no processor while waiting.
 */
#define ANNULUS_WAIT_PARK 0

/**
 * Poll for some 10 us, then offer the core to others between polls.
 */
#define ANNULUS_WAIT_YIELD 1

/**
 * Poll all the time: lowest latency, for a core of one's own.
 */
#define ANNULUS_WAIT_SPIN 2

/**
 * A timeout that never comes. Calls with it do not read the clock unless they wait.
 */
#define ANNULUS_FOREVER 18446744073709551615ull

/**
 * A file in /dev/shm; the name is its file name.
 */
#define ANNULUS_BACKING_POSIX_SHM 0

/**
 * A System V segment; its key is the option `key`, or derived from the name.
 */
#define ANNULUS_BACKING_SYSV 1

/**
 * A regular file; the name is its path. It keeps the bytes over a reboot.
 */
#define ANNULUS_BACKING_FILE 2

/**
 * Memory that children inherit by fork; it can be created but not opened. The name is for messages only.
 */
#define ANNULUS_BACKING_ANON 3

/**
 * A futex on a word of the ring.
 */
#define ANNULUS_WAIT_BACKEND_FUTEX 0

/**
 * Two named POSIX semaphores, for where there is no futex. Both sides must use the same C library and trust
 * each other.
 */
#define ANNULUS_WAIT_BACKEND_SEMAPHORE 1

/**
 * `ANNULUS_PARKING_ASYMMETRIC` where the kernel offers it, else `ANNULUS_PARKING_FENCED`.
 */
#define ANNULUS_PARKING_AUTO 0

/**
 * Nobody sleeps; `ANNULUS_WAIT_PARK` yields instead.
 */
#define ANNULUS_PARKING_NEVER 1

/**
 * Every push executes a full fence, some nanoseconds.
 */
#define ANNULUS_PARKING_FENCED 2

/**
 * Whoever goes to sleep makes the others execute a fence; a push costs one load.
 */
#define ANNULUS_PARKING_ASYMMETRIC 3

/**
 * The consuming end of a ring. To be used by one thread at a time; it may move between threads.
 */
typedef struct annulus_consumer annulus_consumer;

/**
 * The producing end of a ring. To be used by one thread at a time; it may move between threads.
 */
typedef struct annulus_producer annulus_producer;

/**
 * A mapped ring of bytes, neither producing nor consuming. To be used by one thread at a time, any thread.
 */
typedef struct annulus_ring annulus_ring;

/**
 * Which ring, and how to make it. Begin with
 *
 *     annulus_options options = { .size_bytes = sizeof options, .name = "md.ticks" };
 *
 * and everything else has its default. When an existing ring is opened, only `name`, `backing`, `key` and
 * `slot_size_bytes` count.
 */
typedef struct annulus_options {
    /**
     * sizeof(annulus_options), so that later versions can tell which fields there are.
     */
    uint32_t size_bytes;
    /**
     * Where the ring lives: `ANNULUS_BACKING_*`.
     */
    int32_t backing;
    /**
     * The name, NUL-terminated: 1 to 200 letters, digits, '.', '_' or '-', not beginning with '.'; for a
     * file its path, in UTF-8. May be NULL for a System V ring with a key.
     */
    const char *name;
    /**
     * The System V key; 0 derives it from the name. For other backings 0.
     */
    int32_t key;
    /**
     * Permission bits, exact whatever the umask, at most 0777; 0 stands for 0600.
     */
    uint32_t mode;
    /**
     * Slots: a power of two from 2 to 2^32; 0 stands for 1024.
     */
    uint64_t capacity;
    /**
     * Size of every message in bytes, 1 to 2^32. When opening, a ring of another size is refused, and 0
     * accepts any.
     */
    uint64_t slot_size_bytes;
    /**
     * What sleeping endpoints sleep on: `ANNULUS_WAIT_BACKEND_*`.
     */
    int32_t wait_backend;
    /**
     * Who may sleep, and who pays for it: `ANNULUS_PARKING_*`.
     */
    int32_t parking;
} annulus_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library, such as "0.1.0". Never NULL; valid for ever. Any thread.
 */
const char *annulus_version(void);

/**
 * The version of the bytes in shared memory. Programs exchange messages if theirs are equal. Any thread.
 */
uint32_t annulus_wire_version(void);

/**
 * The C ABI of the library that is linked; compare it with `ANNULUS_C_ABI`, which is that of the header.
 * Any thread.
 */
uint32_t annulus_c_abi(void);

/**
 * What a code means, in English. Never NULL; valid for ever; unknown codes have a text as well. Any thread.
 */
const char *annulus_strerror(int32_t code);

/**
 * What the last failed call of this thread has to say, in English. The empty string before the first
 * failure; calls that succeed change nothing.
 *
 * Never NULL. Valid until the next call of this library on the same thread.
 */
const char *annulus_last_error(void);

/**
 * The errno of the last failed call of this thread, if it failed with `ANNULUS_E_OS` or
 * `ANNULUS_E_NO_SPACE`; 0 if it failed otherwise, or nothing failed yet.
 */
int32_t annulus_last_os_error(void);

/**
 * Makes a new ring with one producer and one consumer. It appears under its name complete, or not at all.
 *
 * On success `*ring` is a handle to be freed with `annulus_ring_free`, otherwise NULL. Any thread.
 *
 * Errors: ANNULUS_E_EXISTS, ANNULUS_E_NO_SPACE, ANNULUS_E_INVALID, ANNULUS_E_NULL, ANNULUS_E_OS.
 *
 * # Safety
 * `options` is NULL, or valid for reads of as many bytes as its first field says; its name is NULL or
 * NUL-terminated. `ring` is NULL or valid for a write.
 */
int32_t annulus_spsc_create(const struct annulus_options *options, struct annulus_ring **ring);

/**
 * Opens a ring that exists.
 *
 * On success `*ring` is a handle to be freed with `annulus_ring_free`, otherwise NULL. Any thread.
 *
 * Errors: ANNULUS_E_NOT_FOUND, ANNULUS_E_NOT_A_RING, ANNULUS_E_UNFINISHED, ANNULUS_E_MISMATCH (another size
 * of messages, a ring of a Rust type, another wire version, a damaged header), ANNULUS_E_INVALID,
 * ANNULUS_E_NULL, ANNULUS_E_OS.
 *
 * # Safety
 * As `annulus_spsc_create`.
 */
int32_t annulus_spsc_open(const struct annulus_options *options, struct annulus_ring **ring);

/**
 * Opens the ring, or makes it if there is none. Safe against others doing the same.
 *
 * On success `*ring` is a handle to be freed with `annulus_ring_free`, otherwise NULL. Any thread.
 *
 * Errors: as `annulus_spsc_open` and `annulus_spsc_create`.
 *
 * # Safety
 * As `annulus_spsc_create`.
 */
int32_t annulus_spsc_open_or_create(const struct annulus_options *options, struct annulus_ring **ring);

/**
 * Removes the ring `name`: its name at once, its memory when nobody has it mapped any more. Processes that
 * use it go on. Damaged and unfinished rings are removed; what is not a ring is not. `backing`, `name` and
 * `key` are those of `annulus_options`. Any thread.
 *
 * Errors: ANNULUS_E_NOT_FOUND, ANNULUS_E_NOT_A_RING, ANNULUS_E_INVALID, ANNULUS_E_NULL, ANNULUS_E_OS.
 *
 * # Safety
 * `name` is NULL or NUL-terminated.
 */
int32_t annulus_unlink(int32_t backing, const char *name, int32_t key);

/**
 * Removes the name of this ring, as `annulus_unlink` does. The handle stays valid. Does nothing if the name
 * leads to another ring by now.
 *
 * Errors: ANNULUS_E_NULL, ANNULUS_E_OS, ANNULUS_E_NOT_FOUND if somebody else was quicker.
 *
 * # Safety
 * `ring` is NULL or a live handle, used by no other thread now.
 */
int32_t annulus_ring_unlink(const struct annulus_ring *ring);

/**
 * Frees the handle. The ring itself stays until it is unlinked, and endpoints taken from the handle stay
 * valid. NULL is allowed and does nothing.
 *
 * # Safety
 * `ring` is NULL or a live handle, used by nobody now or later.
 */
void annulus_ring_free(struct annulus_ring *ring);

/**
 * Stores the number of slots of the ring in `*capacity`.
 *
 * Errors: ANNULUS_E_NULL.
 *
 * # Safety
 * `ring` is NULL or a live handle, used by no other thread now. `capacity` is NULL or valid for a write.
 */
int32_t annulus_ring_capacity(const struct annulus_ring *ring, uint64_t *capacity);

/**
 * Stores the size of a message in bytes in `*slot_size_bytes`.
 *
 * Errors: ANNULUS_E_NULL.
 *
 * # Safety
 * `ring` is NULL or a live handle, used by no other thread now. `slot_size_bytes` is NULL or valid for a
 * write.
 */
int32_t annulus_ring_slot_size(const struct annulus_ring *ring, uint64_t *slot_size_bytes);

/**
 * Takes the producing end of the ring. If the last producer died, this one resumes right behind the last
 * message it committed.
 *
 * On success `*producer` is a handle to be given back with `annulus_producer_free` or
 * `annulus_producer_close`, otherwise NULL.
 *
 * Errors: ANNULUS_E_OCCUPIED while a living endpoint holds this end, ANNULUS_E_CLOSED after either side has
 * closed the ring, ANNULUS_E_CORRUPT, ANNULUS_E_NULL, ANNULUS_E_OS.
 *
 * # Safety
 * `ring` is NULL or a live handle, used by no other thread now. `producer` is NULL or valid for a write.
 */
int32_t annulus_ring_producer(const struct annulus_ring *ring, struct annulus_producer **producer);

/**
 * Takes the consuming end of the ring. If the last consumer died, this one resumes with the message that was
 * in its hands, which is thus delivered again.
 *
 * On success `*consumer` is a handle to be given back with `annulus_consumer_free` or
 * `annulus_consumer_close`, otherwise NULL.
 *
 * Errors: ANNULUS_E_OCCUPIED while a living endpoint holds this end, ANNULUS_E_CLOSED after the consumer has
 * closed the ring, ANNULUS_E_CORRUPT, ANNULUS_E_NULL, ANNULUS_E_OS.
 *
 * # Safety
 * `ring` is NULL or a live handle, used by no other thread now. `consumer` is NULL or valid for a write.
 */
int32_t annulus_ring_consumer(const struct annulus_ring *ring, struct annulus_consumer **consumer);

/**
 * Pushes a copy of one message if there is room for it. Never waits; enters the kernel only to wake a
 * sleeping consumer. `size_bytes` must be the ring's slot size.
 *
 * Errors: ANNULUS_E_FULL, ANNULUS_E_CLOSED if the consumer has closed, ANNULUS_E_CORRUPT, ANNULUS_E_INVALID,
 * ANNULUS_E_NULL. Nothing was pushed then.
 *
 * # Safety
 * `producer` is NULL or a live handle, used by no other thread now. `message` is NULL or valid for reads of
 * `size_bytes` bytes.
 */
int32_t annulus_producer_try_push(struct annulus_producer *producer, const void *message, size_t size_bytes);

/**
 * Pushes a copy of one message, waiting for room for at most `timeout_ns` nanoseconds, or
 * `ANNULUS_FOREVER`. `wait` is one of `ANNULUS_WAIT_*`; `size_bytes` must be the ring's slot size.
 *
 * Errors: ANNULUS_E_TIMED_OUT, ANNULUS_E_PEER_DIED if the ring is full and the consumer died,
 * ANNULUS_E_CLOSED if the consumer has closed, ANNULUS_E_CORRUPT, ANNULUS_E_INVALID, ANNULUS_E_NULL. Nothing
 * was pushed then.
 *
 * # Safety
 * As `annulus_producer_try_push`.
 */
int32_t annulus_producer_push(struct annulus_producer *producer,
                              const void *message,
                              size_t size_bytes,
                              int32_t wait,
                              uint64_t timeout_ns);

/**
 * Pushes copies of as many of `count` messages, from the first, as there is room for now, and stores how
 * many in `*pushed`. The consumer is woken once. Never waits. The messages lie one behind the other, of
 * `size_bytes` bytes each, which must be the ring's slot size.
 *
 * Returns ANNULUS_OK if at least one was pushed, or `count` is 0.
 *
 * Errors: as `annulus_producer_try_push`; `*pushed` is 0 then.
 *
 * # Safety
 * `producer` is NULL or a live handle, used by no other thread now. `messages` is NULL or valid for reads of
 * `size_bytes * count` bytes. `pushed` is NULL or valid for a write.
 */
int32_t annulus_producer_try_push_many(struct annulus_producer *producer,
                                       const void *messages,
                                       size_t size_bytes,
                                       size_t count,
                                       size_t *pushed);

/**
 * Like `annulus_producer_try_push_many`, but waits for room for the first message as
 * `annulus_producer_push` does. Does not wait for the others: fewer than `count` may have been pushed, and
 * the caller goes on with the rest.
 *
 * Errors: as `annulus_producer_push`; `*pushed` is 0 then.
 *
 * # Safety
 * As `annulus_producer_try_push_many`.
 */
int32_t annulus_producer_push_many(struct annulus_producer *producer,
                                   const void *messages,
                                   size_t size_bytes,
                                   size_t count,
                                   int32_t wait,
                                   uint64_t timeout_ns,
                                   size_t *pushed);

/**
 * Stores in `*len` how many messages the consumer has not released yet; never less than there are.
 *
 * Errors: ANNULUS_E_NULL.
 *
 * # Safety
 * `producer` is NULL or a live handle, used by no other thread now. `len` is NULL or valid for a write.
 */
int32_t annulus_producer_len(const struct annulus_producer *producer, uint64_t *len);

/**
 * Ends the stream for ever and frees the handle, whatever it returns: the consumer takes what was pushed and
 * then gets ANNULUS_E_CLOSED.
 *
 * Errors: ANNULUS_E_NULL.
 *
 * # Safety
 * `producer` is NULL or a live handle, used by nobody now or later.
 */
int32_t annulus_producer_close(struct annulus_producer *producer);

/**
 * Leaves the ring, so that another producer can go on, and frees the handle. NULL is allowed and does
 * nothing.
 *
 * # Safety
 * `producer` is NULL or a live handle, used by nobody now or later.
 */
void annulus_producer_free(struct annulus_producer *producer);

/**
 * Takes the oldest message, copying it to `message`. Never waits; enters the kernel only to wake a sleeping
 * producer. `size_bytes` must be the ring's slot size. The memory need not be initialised.
 *
 * Errors: ANNULUS_E_EMPTY, ANNULUS_E_CLOSED if the producer has closed and everything was taken,
 * ANNULUS_E_CORRUPT, ANNULUS_E_INVALID, ANNULUS_E_NULL. Nothing was taken then.
 *
 * # Safety
 * `consumer` is NULL or a live handle, used by no other thread now. `message` is NULL or valid for writes of
 * `size_bytes` bytes.
 */
int32_t annulus_consumer_try_pop(struct annulus_consumer *consumer, void *message, size_t size_bytes);

/**
 * Takes the oldest message, waiting for one for at most `timeout_ns` nanoseconds, or `ANNULUS_FOREVER`.
 * `wait` is one of `ANNULUS_WAIT_*`; `size_bytes` must be the ring's slot size.
 *
 * Errors: ANNULUS_E_TIMED_OUT, ANNULUS_E_PEER_DIED if the ring is empty and the producer died,
 * ANNULUS_E_CLOSED if the producer has closed and everything was taken, ANNULUS_E_CORRUPT,
 * ANNULUS_E_INVALID, ANNULUS_E_NULL. Nothing was taken then.
 *
 * # Safety
 * As `annulus_consumer_try_pop`.
 */
int32_t annulus_consumer_pop(struct annulus_consumer *consumer,
                             void *message,
                             size_t size_bytes,
                             int32_t wait,
                             uint64_t timeout_ns);

/**
 * Takes up to `count` messages that are there now, copying them one behind the other to `messages`, and
 * stores how many in `*popped`. Never waits. `size_bytes` is the size of one message and must be the ring's
 * slot size. Slots go back one by one: should this process die in the middle, its successor gets the message
 * that was being copied again, and those before it are gone with this process.
 *
 * Returns ANNULUS_OK if at least one was taken, or `count` is 0.
 *
 * Errors: as `annulus_consumer_try_pop`; `*popped` is 0 then.
 *
 * # Safety
 * `consumer` is NULL or a live handle, used by no other thread now. `messages` is NULL or valid for writes
 * of `size_bytes * count` bytes. `popped` is NULL or valid for a write.
 */
int32_t annulus_consumer_try_pop_many(struct annulus_consumer *consumer,
                                      void *messages,
                                      size_t size_bytes,
                                      size_t count,
                                      size_t *popped);

/**
 * Like `annulus_consumer_try_pop_many`, but waits for the first message as `annulus_consumer_pop` does. Does
 * not wait for the others: fewer than `count` may have been taken.
 *
 * Errors: as `annulus_consumer_pop`; `*popped` is 0 then.
 *
 * # Safety
 * As `annulus_consumer_try_pop_many`.
 */
int32_t annulus_consumer_pop_many(struct annulus_consumer *consumer,
                                  void *messages,
                                  size_t size_bytes,
                                  size_t count,
                                  int32_t wait,
                                  uint64_t timeout_ns,
                                  size_t *popped);

/**
 * Stores in `*len` how many messages are there to be taken; never more than there are.
 *
 * Errors: ANNULUS_E_NULL.
 *
 * # Safety
 * `consumer` is NULL or a live handle, used by no other thread now. `len` is NULL or valid for a write.
 */
int32_t annulus_consumer_len(const struct annulus_consumer *consumer, uint64_t *len);

/**
 * Says for ever that nothing more will be taken, and frees the handle, whatever it returns. The producer's
 * pushes fail with ANNULUS_E_CLOSED soon; messages not yet taken are lost.
 *
 * Errors: ANNULUS_E_NULL.
 *
 * # Safety
 * `consumer` is NULL or a live handle, used by nobody now or later.
 */
int32_t annulus_consumer_close(struct annulus_consumer *consumer);

/**
 * Leaves the ring, so that another consumer can go on, and frees the handle. NULL is allowed and does
 * nothing.
 *
 * # Safety
 * `consumer` is NULL or a live handle, used by nobody now or later.
 */
void annulus_consumer_free(struct annulus_consumer *consumer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ANNULUS_H */
