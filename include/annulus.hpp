/* annulus.h for C++17: handles that free themselves, messages of a type.
 *
 * Header-only. Expected outcomes (full, empty, closed...) are returned; everything else is thrown as
 * annulus::error. Messages are copied in and out; there is no reference into shared memory. A handle is used by
 * one thread at a time and may move between threads; one that was moved from or closed throws if it is used. */
#ifndef ANNULUS_HPP
#define ANNULUS_HPP

#include "annulus.h"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace annulus {

/* What may come of a call that did nothing wrong. */
enum class outcome : int32_t {
    done = ANNULUS_OK,
    full = ANNULUS_E_FULL,
    empty = ANNULUS_E_EMPTY,
    closed = ANNULUS_E_CLOSED,
    peer_died = ANNULUS_E_PEER_DIED,
    timed_out = ANNULUS_E_TIMED_OUT,
};

/* Everything else; `code()` is one of ANNULUS_E_*. */
class error : public std::runtime_error {
public:
    explicit error(int32_t code) : std::runtime_error(text(code)), code_(code) {}
    int32_t code() const noexcept { return code_; }

private:
    static std::string text(int32_t code)
    {
        return std::string(annulus_strerror(code)) + ": " + annulus_last_error();
    }
    int32_t code_;
};

/* How a call waits. */
enum class wait : int32_t { park = ANNULUS_WAIT_PARK, yield = ANNULUS_WAIT_YIELD, spin = ANNULUS_WAIT_SPIN };

/* As a timeout: never. Negative timeouts are taken for zero. */
constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

namespace detail {

inline void must(int32_t code)
{
    if (code != ANNULUS_OK) throw error(code);
}

inline outcome expected(int32_t code)
{
    if (code < ANNULUS_E_TIMED_OUT) throw error(code);
    return static_cast<outcome>(code);
}

inline uint64_t timeout_ns(std::chrono::nanoseconds timeout)
{
    if (timeout == forever) return ANNULUS_FOREVER;
    return timeout.count() < 0 ? 0 : static_cast<uint64_t>(timeout.count());
}

template <auto Free> struct freed {
    template <typename Handle> void operator()(Handle *handle) const noexcept { Free(handle); }
};

} // namespace detail

/* The producing end. Destroying it leaves in order; close() ends the stream. */
template <typename T> class producer {
    static_assert(std::is_trivially_copyable_v<T>, "a message is nothing but bytes");

public:
    explicit producer(annulus_producer *handle) : handle_(handle) {}

    /* done, full or closed. */
    [[nodiscard]] outcome try_push(const T &message)
    {
        return detail::expected(annulus_producer_try_push(handle_.get(), &message, sizeof message));
    }

    /* done, timed_out, peer_died or closed. */
    [[nodiscard]] outcome push(const T &message, wait how = wait::park, std::chrono::nanoseconds timeout = forever)
    {
        return detail::expected(annulus_producer_push(handle_.get(), &message, sizeof message,
                                                      static_cast<int32_t>(how), detail::timeout_ns(timeout)));
    }

    void close() { detail::must(annulus_producer_close(handle_.release())); }

    /* For the calls of annulus.h that have no counterpart here. */
    annulus_producer *get() const noexcept { return handle_.get(); }

private:
    std::unique_ptr<annulus_producer, detail::freed<annulus_producer_free>> handle_;
};

/* The consuming end. Destroying it leaves in order; close() ends the stream. */
template <typename T> class consumer {
    static_assert(std::is_trivially_copyable_v<T>, "a message is nothing but bytes");

public:
    explicit consumer(annulus_consumer *handle) : handle_(handle) {}

    /* done, empty or closed. */
    [[nodiscard]] outcome try_pop(T &message)
    {
        return detail::expected(annulus_consumer_try_pop(handle_.get(), &message, sizeof message));
    }

    /* done, timed_out, peer_died or closed. */
    [[nodiscard]] outcome pop(T &message, wait how = wait::park, std::chrono::nanoseconds timeout = forever)
    {
        return detail::expected(annulus_consumer_pop(handle_.get(), &message, sizeof message,
                                                     static_cast<int32_t>(how), detail::timeout_ns(timeout)));
    }

    void close() { detail::must(annulus_consumer_close(handle_.release())); }

    /* For the calls of annulus.h that have no counterpart here. */
    annulus_consumer *get() const noexcept { return handle_.get(); }

private:
    std::unique_ptr<annulus_consumer, detail::freed<annulus_consumer_free>> handle_;
};

/* A ring of messages of type T, one producer and one consumer. Its slot size is sizeof(T). */
template <typename T> class spsc {
    static_assert(std::is_trivially_copyable_v<T>, "a message is nothing but bytes");

public:
    /* Options with everything at its default; fields may be changed before they are used. The name is not
     * copied. */
    static annulus_options options(const char *name)
    {
        annulus_options made = {};
        made.size_bytes = sizeof made;
        made.name = name;
        made.slot_size_bytes = sizeof(T);
        return made;
    }

    static spsc create(const annulus_options &options) { return made(annulus_spsc_create, options); }
    static spsc open(const annulus_options &options) { return made(annulus_spsc_open, options); }
    static spsc open_or_create(const annulus_options &options)
    {
        return made(annulus_spsc_open_or_create, options);
    }

    annulus::producer<T> producer() const
    {
        annulus_producer *handle = nullptr;
        detail::must(annulus_ring_producer(handle_.get(), &handle));
        return annulus::producer<T>(handle);
    }

    annulus::consumer<T> consumer() const
    {
        annulus_consumer *handle = nullptr;
        detail::must(annulus_ring_consumer(handle_.get(), &handle));
        return annulus::consumer<T>(handle);
    }

    void unlink() const { detail::must(annulus_ring_unlink(handle_.get())); }

    /* For the calls of annulus.h that have no counterpart here. */
    annulus_ring *get() const noexcept { return handle_.get(); }

private:
    explicit spsc(annulus_ring *handle) : handle_(handle) {}

    template <typename How> static spsc made(How how, const annulus_options &options)
    {
        /* Another slot size than T's would make every push and pop fail. */
        if (options.slot_size_bytes != sizeof(T)) throw std::invalid_argument("slot_size_bytes is not sizeof(T)");
        annulus_ring *handle = nullptr;
        detail::must(how(&options, &handle));
        return spsc(handle);
    }

    std::unique_ptr<annulus_ring, detail::freed<annulus_ring_free>> handle_;
};

} // namespace annulus

#endif
