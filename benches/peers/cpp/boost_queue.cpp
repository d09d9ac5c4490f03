// boost::lockfree::queue of 56-byte messages between threads, of fixed size.

#include <cstddef>
#include <cstdint>
#include <new>

#include <boost/lockfree/queue.hpp>

namespace {

struct Slot {
    std::uint64_t words[7];
};

using Queue = boost::lockfree::queue<Slot, boost::lockfree::fixed_sized<true>>;

} // namespace

extern "C" {

void *peers_boost_many_create(std::size_t slots, std::size_t) { return new (std::nothrow) Queue(slots); }

// How many were sent.
std::size_t peers_boost_many_send(void *end, const void *messages, std::size_t count) noexcept {
    auto *queue = static_cast<Queue *>(end);
    const auto *slots = static_cast<const Slot *>(messages);
    std::size_t sent = 0;
    while (sent < count && queue->push(slots[sent])) ++sent;
    return sent;
}

// How many were received.
std::size_t peers_boost_many_receive(void *end, void *into, std::size_t count) noexcept {
    auto *queue = static_cast<Queue *>(end);
    auto *slots = static_cast<Slot *>(into);
    std::size_t received = 0;
    while (received < count && queue->pop(slots[received])) ++received;
    return received;
}
}
