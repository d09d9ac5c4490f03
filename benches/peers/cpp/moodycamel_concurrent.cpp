// moodycamel::ConcurrentQueue with cells that have room for the longest record, reserved and never growing (try_enqueue).
//
// A cell is copied only as far as its record goes. Every producer has a token, the fast way.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include <concurrentqueue/concurrentqueue.h>

namespace {

constexpr std::size_t longest = 200;

struct Cell {
    std::uint32_t length;
    unsigned char bytes[longest];

    Cell(const void *record, std::size_t size) : length(static_cast<std::uint32_t>(size)) {
        std::memcpy(bytes, record, size);
    }
    Cell(const Cell &other) noexcept : length(other.length) { std::memcpy(bytes, other.bytes, other.length); }
    Cell &operator=(const Cell &) = delete;
};

// What a cell is taken out into.
struct Taken {
    void *into;
    std::int64_t length;

    Taken &operator=(Cell &&cell) noexcept {
        std::memcpy(into, cell.bytes, cell.length);
        length = cell.length;
        return *this;
    }
};

using Queue = moodycamel::ConcurrentQueue<Cell>;

struct Consumer {
    Queue &queue;
    moodycamel::ConsumerToken token;
    explicit Consumer(Queue &of) : queue(of), token(of) {}
};

struct Producer {
    Queue &queue;
    moodycamel::ProducerToken token;
    explicit Producer(Queue &of) : queue(of), token(of) {}
};

} // namespace

extern "C" {

// Room for about `cells` records, split among the producers' own lists of blocks.
void *peers_camel_concurrent_create(std::size_t cells, std::size_t producers) {
    return new (std::nothrow) Queue(cells, producers, 0);
}
void peers_camel_concurrent_destroy(void *queue) { delete static_cast<Queue *>(queue); }

void *peers_camel_concurrent_producer(void *queue) {
    return new (std::nothrow) Producer(*static_cast<Queue *>(queue));
}
void *peers_camel_concurrent_consumer(void *queue) {
    return new (std::nothrow) Consumer(*static_cast<Queue *>(queue));
}

bool peers_camel_concurrent_try_send(void *producer, const void *record, std::size_t length) noexcept {
    auto *end = static_cast<Producer *>(producer);
    return end->queue.try_enqueue(end->token, Cell(record, length));
}

// The length of the record, or -1 when the queue is empty.
std::int64_t peers_camel_concurrent_try_receive(void *consumer, void *into) noexcept {
    auto *end = static_cast<Consumer *>(consumer);
    Taken taken{into, -1};
    end->queue.try_dequeue(end->token, taken);
    return taken.length;
}
}
