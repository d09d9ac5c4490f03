// The timed and the verifying loops for C++ queues: the same work, message for message, as ../scenario/loops.rs.
//
// A Queue offers `bool push(const M&)` and `bool pop(M&)`. The whole loop is here, so that push and pop are inlined.
// Messages come from a table made by the Rust side; `opaque` and `in_turn` are those there; messages are received
// on a line's begin, as into its `Place`.

#pragma once

#include <cstddef>
#include <cstdint>

namespace peers {

template <std::size_t Words>
struct Message {
    std::uint64_t words[Words];
};

// Any byte behind `pointer` may have been read or written by somebody the compiler does not know.
inline void opaque(const void *pointer) { asm volatile("" : : "r"(pointer) : "memory"); }

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" : : : "memory");
#endif
}

// Word `index` of message `number`; ../scenario/message.rs has the same formula.
inline std::uint64_t word(std::uint64_t number, std::size_t index) {
    return (number + 1) * 0x9E3779B97F4A7C15ull + (index + 1) * 0xD1B54A32D192ED03ull;
}

template <class M>
inline std::uint64_t differs(const M &got, const M &expected) {
    constexpr std::size_t last = sizeof(M) / 8 - 1;
    return (got.words[0] ^ expected.words[0]) | (got.words[last] ^ expected.words[last]);
}

// Hands `count` entries of the table to `each`, round and round from the first.
template <class M, class F>
inline void in_turn(const M *table, std::size_t length, std::uint64_t count, F each) {
    while (count > 0) {
        const std::uint64_t lap = count < length ? count : length;
        for (const M *entry = table; entry != table + lap; ++entry) each(*entry);
        count -= lap;
    }
}

template <class Q, class M>
inline void push(Q &queue, const M &message) {
    while (!queue.push(message)) relax();
}

template <class Q, class M>
inline void pop(Q &queue, M &message) {
    while (!queue.pop(message)) relax();
}

template <class Q, class M>
void send(Q &queue, const M *table, std::size_t length, std::uint64_t count) {
    in_turn(table, length, count, [&](const M &message) {
        opaque(&message);
        push(queue, message);
    });
}

// Returns 0 when every message had the first and last word it should have.
template <class Q, class M>
std::uint64_t receive(Q &queue, const M *table, std::size_t length, std::uint64_t count) {
    std::uint64_t wrong = 0;
    in_turn(table, length, count, [&](const M &expected) {
        alignas(64) M message;
        pop(queue, message);
        opaque(&message);
        wrong |= differs(message, expected);
    });
    return wrong;
}

template <class Q, class M>
std::uint64_t ping(Q &out, Q &back, const M *table, std::size_t length, std::uint64_t count) {
    std::uint64_t wrong = 0;
    in_turn(table, length, count, [&](const M &message) {
        opaque(&message);
        push(out, message);
        alignas(64) M answer;
        pop(back, answer);
        opaque(&answer);
        wrong |= differs(answer, message);
    });
    return wrong;
}

template <class Q, class M>
void echo(Q &out, Q &in, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        alignas(64) M message;
        pop(in, message);
        opaque(&message);
        push(out, message);
    }
}

template <class Q, class M>
void send_numbered(Q &queue, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        M message;
        for (std::size_t j = 0; j < sizeof(M) / 8; ++j) message.words[j] = word(i, j);
        push(queue, message);
    }
}

// Returns 0 when every byte of every message was right.
template <class Q, class M>
std::uint64_t receive_numbered(Q &queue, std::uint64_t count) {
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        alignas(64) M message;
        pop(queue, message);
        for (std::size_t j = 0; j < sizeof(M) / 8; ++j) wrong |= message.words[j] ^ word(i, j);
    }
    return wrong;
}

} // namespace peers

// Defines the functions Rust calls for `Queue<Message<words>>`; names are prefix_words_operation.
#define PEERS_DEFINE(prefix, Queue, words)                                                                             \
    extern "C" void *prefix##_##words##_create() { return new (std::nothrow) Queue<peers::Message<words>>(); }         \
    extern "C" void prefix##_##words##_destroy(void *queue) {                                                          \
        delete static_cast<Queue<peers::Message<words>> *>(queue);                                                     \
    }                                                                                                                  \
    extern "C" void prefix##_##words##_send(void *queue, const void *table, std::size_t length, std::uint64_t count) { \
        peers::send(*static_cast<Queue<peers::Message<words>> *>(queue),                                               \
                    static_cast<const peers::Message<words> *>(table), length, count);                                 \
    }                                                                                                                  \
    extern "C" std::uint64_t prefix##_##words##_receive(void *queue, const void *table, std::size_t length,            \
                                                        std::uint64_t count) {                                         \
        return peers::receive(*static_cast<Queue<peers::Message<words>> *>(queue),                                     \
                              static_cast<const peers::Message<words> *>(table), length, count);                       \
    }                                                                                                                  \
    extern "C" std::uint64_t prefix##_##words##_ping(void *out, void *back, const void *table, std::size_t length,     \
                                                     std::uint64_t count) {                                            \
        return peers::ping(*static_cast<Queue<peers::Message<words>> *>(out),                                          \
                           *static_cast<Queue<peers::Message<words>> *>(back),                                         \
                           static_cast<const peers::Message<words> *>(table), length, count);                          \
    }                                                                                                                  \
    extern "C" void prefix##_##words##_echo(void *out, void *in, std::uint64_t count) {                                \
        using M = peers::Message<words>;                                                                               \
        peers::echo<Queue<M>, M>(*static_cast<Queue<M> *>(out), *static_cast<Queue<M> *>(in), count);                  \
    }                                                                                                                  \
    extern "C" void prefix##_##words##_send_numbered(void *queue, std::uint64_t count) {                               \
        using M = peers::Message<words>;                                                                               \
        peers::send_numbered<Queue<M>, M>(*static_cast<Queue<M> *>(queue), count);                                     \
    }                                                                                                                  \
    extern "C" std::uint64_t prefix##_##words##_receive_numbered(void *queue, std::uint64_t count) {                   \
        using M = peers::Message<words>;                                                                               \
        return peers::receive_numbered<Queue<M>, M>(*static_cast<Queue<M> *>(queue), count);                           \
    }
