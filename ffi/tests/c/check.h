/* What the C programs of the tests share: a check that ends the program, and messages whose every byte
 * follows from their number. Never part of the library. */
#ifndef CHECK_H
#define CHECK_H

#include "annulus.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT 56
#define WORDS (SLOT / 8)

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s (last error: %s)\n", __FILE__, __LINE__, #condition,          \
                    annulus_last_error());                                                                   \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* `call` must give `code`; says what it gave instead. */
#define GIVES(code, call)                                                                                    \
    do {                                                                                                     \
        int32_t got_ = (call);                                                                               \
        if (got_ != (code)) {                                                                                \
            fprintf(stderr, "%s:%d: %s gave %d (%s), not %s; last error: %s\n", __FILE__, __LINE__, #call,   \
                    (int)got_, annulus_strerror(got_), #code, annulus_last_error());                         \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* Ten seconds: a test that waits as long has failed. */
#define SOON UINT64_C(10000000000)

struct message {
    uint64_t words[WORDS];
};

/* The message of that number, as tests/run.rs has it. */
static inline struct message message(uint64_t number)
{
    struct message made;
    for (uint64_t i = 0; i < WORDS; i++) {
        uint64_t value = (number * 8 + i) * UINT64_C(0x9e3779b97f4a7c15);
        made.words[i] = value ^ (value >> 29);
    }
    return made;
}

static inline void check_message(const struct message *found, uint64_t number)
{
    struct message expected = message(number);
    if (memcmp(found, &expected, sizeof expected) != 0) {
        fprintf(stderr, "message %llu is damaged\n", (unsigned long long)number);
        exit(1);
    }
}

#endif
