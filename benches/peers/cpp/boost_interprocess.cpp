// Boost.Interprocess message_queue: preallocated messages behind a mutex and two condition variables in shared memory.
//
// An exception ends the process: it serves one measurement.

#include <cstddef>
#include <cstdint>
#include <new>

#include <boost/interprocess/ipc/message_queue.hpp>

using boost::interprocess::create_only;
using boost::interprocess::message_queue;

extern "C" {

// Null when the queue cannot be made. The name is gone when this returns; forked children share the memory.
void *peers_boost_mq_create(const char *name, std::size_t messages, std::size_t longest) {
    try {
        auto *queue = new message_queue(create_only, name, messages, longest);
        message_queue::remove(name);
        return queue;
    } catch (...) {
        return nullptr;
    }
}

void peers_boost_mq_destroy(void *queue) { delete static_cast<message_queue *>(queue); }

bool peers_boost_mq_try_send(void *queue, const void *record, std::size_t length) noexcept {
    return static_cast<message_queue *>(queue)->try_send(record, length, 0);
}

void peers_boost_mq_send(void *queue, const void *record, std::size_t length) noexcept {
    static_cast<message_queue *>(queue)->send(record, length, 0);
}

// The length of the record, or -1 when the queue is empty.
std::int64_t peers_boost_mq_try_receive(void *queue, void *into, std::size_t room) noexcept {
    message_queue::size_type length = 0;
    unsigned int priority = 0;
    const bool received = static_cast<message_queue *>(queue)->try_receive(into, room, length, priority);
    return received ? static_cast<std::int64_t>(length) : -1;
}

std::int64_t peers_boost_mq_receive(void *queue, void *into, std::size_t room) noexcept {
    message_queue::size_type length = 0;
    unsigned int priority = 0;
    static_cast<message_queue *>(queue)->receive(into, room, length, priority);
    return static_cast<std::int64_t>(length);
}
}
