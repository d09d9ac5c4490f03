// moodycamel::ConcurrentQueue of 56-byte messages between threads, with a token per party and its calls for several.
//
// The room is reserved and never grows (try_enqueue): it is a bounded queue here. It keeps the order of one producer, not that of
// different ones.

#include <cstddef>
#include <cstdint>
#include <new>

#include <concurrentqueue/concurrentqueue.h>

namespace {

struct Slot {
    std::uint64_t words[7];
};

using Queue = moodycamel::ConcurrentQueue<Slot>;

struct Sender {
    Queue &queue;
    moodycamel::ProducerToken token;
    explicit Sender(Queue &of) : queue(of), token(of) {}
};

struct Receiver {
    Queue &queue;
    moodycamel::ConsumerToken token;
    explicit Receiver(Queue &of) : queue(of), token(of) {}
};

} // namespace

extern "C" {

// Room for about `slots` messages, split among the producers' own lists of blocks.
void *peers_camel_many_create(std::size_t slots, std::size_t producers) {
    return new (std::nothrow) Queue(slots, producers, 0);
}
void *peers_camel_many_sender(void *queue) { return new (std::nothrow) Sender(*static_cast<Queue *>(queue)); }
void *peers_camel_many_receiver(void *queue) { return new (std::nothrow) Receiver(*static_cast<Queue *>(queue)); }

// How many were sent: all or none.
std::size_t peers_camel_many_send(void *end, const void *messages, std::size_t count) noexcept {
    auto *sender = static_cast<Sender *>(end);
    const auto *slots = static_cast<const Slot *>(messages);
    const bool sent = count == 1 ? sender->queue.try_enqueue(sender->token, *slots)
                                 : sender->queue.try_enqueue_bulk(sender->token, slots, count);
    return sent ? count : 0;
}

// How many were received.
std::size_t peers_camel_many_receive(void *end, void *into, std::size_t count) noexcept {
    auto *receiver = static_cast<Receiver *>(end);
    auto *slots = static_cast<Slot *>(into);
    if (count == 1) return receiver->queue.try_dequeue(receiver->token, *slots) ? 1 : 0;
    return receiver->queue.try_dequeue_bulk(receiver->token, slots, count);
}
}
