// wrapper NAME: annulus.hpp returns what is expected, throws the rest, and leaves no handle behind.
#include "annulus.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                     \
            std::exit(1);                                                                                    \
        }                                                                                                    \
    } while (0)

struct tick {
    uint64_t instrument;
    double price;
};

using ring = annulus::spsc<tick>;
using annulus::outcome;

/* The code with which `call` throws; ANNULUS_OK if it does not. */
template <typename Call> static int32_t thrown(Call call)
{
    try {
        call();
    } catch (const annulus::error &e) {
        CHECK(e.what()[0] != '\0');
        return e.code();
    }
    return ANNULUS_OK;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    using namespace std::chrono_literals;
    annulus_options options = ring::options(argv[1]);
    options.capacity = 2;
    CHECK(thrown([&] { (void)ring::open(options); }) == ANNULUS_E_NOT_FOUND);
    ring made = ring::create(options);
    CHECK(thrown([&] { (void)ring::create(options); }) == ANNULUS_E_EXISTS);
    CHECK(thrown([&] { (void)annulus::spsc<char>::open(annulus::spsc<char>::options(argv[1])); }) ==
          ANNULUS_E_MISMATCH);

    {
        auto tx = made.producer();
        CHECK(thrown([&] { (void)made.producer(); }) == ANNULUS_E_OCCUPIED);
    }
    // The scope has given the end back.
    auto first = made.producer();
    auto tx = std::move(first);
    auto rx = ring::open(options).consumer();
    tick got = {};
    CHECK(rx.try_pop(got) == outcome::empty);
    CHECK(rx.pop(got, annulus::wait::yield, 1ms) == outcome::timed_out);
    CHECK(rx.pop(got, annulus::wait::spin, -1ms) == outcome::timed_out);
    CHECK(tx.try_push({1, 1.5}) == outcome::done);
    CHECK(tx.push({2, 2.5}) == outcome::done);
    CHECK(tx.try_push({3, 3.5}) == outcome::full);
    CHECK(tx.push({3, 3.5}, annulus::wait::park, 1ms) == outcome::timed_out);
    CHECK(thrown([&] { (void)first.try_push({4, 4.5}); }) == ANNULUS_E_NULL);
    CHECK(rx.pop(got) == outcome::done && got.instrument == 1 && got.price == 1.5);
    tx.close();
    CHECK(thrown([&] { tx.close(); }) == ANNULUS_E_NULL);
    CHECK(rx.pop(got) == outcome::done && got.instrument == 2 && got.price == 2.5);
    CHECK(rx.pop(got) == outcome::closed);
    made.unlink();
    CHECK(thrown([&] { (void)ring::open(options); }) == ANNULUS_E_NOT_FOUND);
    return 0;
}
