// Boost.Lockfree spsc_queue with its capacity fixed at compile time, which is its faster form.

#include "loops.hpp"

#include <new>

#include <boost/lockfree/spsc_queue.hpp>

namespace {

template <class M>
struct BoostQueue {
    boost::lockfree::spsc_queue<M, boost::lockfree::capacity<4096>> queue;
    bool push(const M &message) { return queue.push(message); }
    bool pop(M &message) { return queue.pop(message); }
};

} // namespace

PEERS_DEFINE(peers_boost, BoostQueue, 1)
PEERS_DEFINE(peers_boost, BoostQueue, 7)
PEERS_DEFINE(peers_boost, BoostQueue, 128)
