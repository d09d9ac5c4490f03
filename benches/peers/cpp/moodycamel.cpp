// moodycamel::ReaderWriterQueue, reserved for 4096 elements and never growing (try_enqueue).
//
// It keeps blocks of 512, so that it has room for some hundred messages more than asked for.

#include "loops.hpp"

#include <new>

#include <readerwriterqueue/readerwriterqueue.h>

namespace {

template <class M>
struct CamelQueue {
    moodycamel::ReaderWriterQueue<M> queue{4096};
    bool push(const M &message) { return queue.try_enqueue(message); }
    bool pop(M &message) { return queue.try_dequeue(message); }
};

} // namespace

PEERS_DEFINE(peers_camel, CamelQueue, 1)
PEERS_DEFINE(peers_camel, CamelQueue, 7)
PEERS_DEFINE(peers_camel, CamelQueue, 128)
