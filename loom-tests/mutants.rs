//! The mutants: each spoils one shipped file in one place, and names the model that must notice.
//!
//! Taken in both by `build.rs`, which makes the spoilt copies, and by `tests/mutants.rs`, which runs them. A text is
//! sought in one function only, with comments taken out and white space ignored, and must be there exactly once.

#[path = "mutants_broadcast.rs"]
mod broadcast;
#[path = "mutants_records.rs"]
mod records;
#[path = "mutants_shared.rs"]
mod shared;

/// What must happen when the model runs on the spoilt copy.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It fails, and says this among other things.
    Caught(&'static str),
    /// It passes: the reason why no model here can notice.
    Survives(&'static str),
}

/// One spoilt copy.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Also the name of the module that holds the copy.
    pub name: &'static str,
    /// The edge of `docs/ORDERINGS.md` that is broken, or `order` where it is a matter of program order.
    pub edge: &'static str,
    /// Relative to the repository.
    pub file: &'static str,
    /// The function, after whatever must come before it, separated by ` / `.
    pub place: &'static str,
    /// What is replaced by what.
    pub edits: &'static [(&'static str, &'static str)],
    /// File and function in `src/models`.
    pub model: (&'static str, &'static str),
    pub fate: Fate,
}

/// Two accesses of one payload, one of them a write, without an edge between them.
const RACE: Fate = Fate::Caught("Causality violation");
/// A lost wake-up.
const DEADLOCK: Fate = Fate::Caught("deadlock");
/// A message lost, doubled or invented, or an outcome that is not in the table.
const WRONG: Fate = Fate::Caught("assertion");
/// An honest peer's word was not recognised.
const CORRUPT: Fate = Fate::Caught("Corrupt {");

/// Somebody was told the end before it came.
const EARLY: Fate = Fate::Caught("told too early");
/// A message never arrived.
const LOST: Fate = Fate::Caught("was lost");

/// Any of these.
const NOTICED: Fate = Fate::Caught("panicked");

const SPSC: &str = "src/ring/spsc.rs";
const CLOSE_RS: &str = "src/ring/close.rs";
const PARK: &str = "src/wait/park.rs";
const HEADER: &str = "loom-tests/src/models/header.rs";

const RELEASE: &[(&str, &str)] = &[("Release", "Relaxed")];
const ACQUIRE: &[(&str, &str)] = &[("Acquire", "Relaxed")];

/// A look that passes given-up slots publishes its gate at the end only.
const SKIPS_TOLD_ONCE: &[(&str, &str)] =
    &[("if self.gate_is_due() { self.publish_gate(control); }", "")];

const FUTEX: (&str, &str) = ("park", "a_consumer_asleep_on_a_futex_is_woken");
const GATE: (&str, &str) = ("full", "the_gate_hands_back_only_what_was_read");
const LAPS: (&str, &str) = ("publish", "messages_come_in_order_through_a_ring_that_laps");
const SLOT: (&str, &str) = ("full", "a_slot_hands_itself_back_only_when_it_was_read");
const LAG: (&str, &str) = ("full", "the_slots_are_asked_while_the_gate_lags");
const CLOSE: (&str, &str) = ("close", "nothing_committed_before_the_close_is_missed");
const LATE: (&str, &str) = (
    "close",
    "a_producer_learns_of_the_close_one_message_late_at_most",
);
const DEAD_PRODUCER: (&str, &str) = (
    "crash",
    "a_producer_killed_at_any_step_loses_only_what_it_had_not_committed",
);
const DEAD_EXACT_PRODUCER: (&str, &str) = (
    "crash",
    "a_killed_producer_that_asked_the_slots_is_succeeded",
);
const DEAD_CONSUMER: (&str, &str) = ("crash", "a_consumer_killed_at_any_step_loses_nothing");
const DEAD_BEHIND: (&str, &str) = (
    "crash",
    "a_consumer_killed_behind_a_producer_that_asks_the_slots_loses_nothing",
);
const HEALS: (&str, &str) = ("park", "the_word_of_a_dead_sleeper_heals");
const ATTACH: (&str, &str) = (
    "header",
    "an_attacher_that_sees_the_ready_word_sees_the_ring",
);

const SEATED: (&str, &str) = ("header", "an_onlooker_that_sees_a_seat_taken_sees_by_whom");

/// Shorter to read in a table than the fields by name.
const fn mutant(
    name: &'static str,
    edge: &'static str,
    (file, place): (&'static str, &'static str),
    edits: &'static [(&'static str, &'static str)],
    model: (&'static str, &'static str),
    fate: Fate,
) -> Mutant {
    Mutant {
        name,
        edge,
        file,
        place,
        edits,
        model,
        fate,
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    SLOTS
        .iter()
        .chain(records::RECORDS)
        .chain(shared::SHARED)
        .chain(broadcast::BROADCAST)
}

/// Of rings of slots, and of what all rings share.
#[rustfmt::skip]
const SLOTS: &[Mutant] = &[
    mutant("publish_relaxed", "P1", (SPSC, "impl Tail / fn put("), RELEASE,
        ("publish", "a_message_that_is_seen_is_whole"), RACE),
    mutant("is_ready_relaxed", "P1", (SPSC, "fn is_ready("), ACQUIRE,
        ("publish", "the_fast_look_alone_sees_whole_messages"), RACE),
    mutant("look_slow_word_relaxed", "P1", (SPSC, "fn look_slow("),
        &[("words.at(self.next).load(Acquire)", "words.at(self.next).load(Relaxed)")],
        ("publish", "a_look_passes_over_a_slot_that_was_given_up"), RACE),
    mutant("take_relaxed", "P1", (SPSC, "impl Head / fn take<"), ACQUIRE,
        ("publish", "a_take_alone_sees_whole_messages"), RACE),
    mutant("release_relaxed", "C1", (SPSC, "fn release_at("), RELEASE, SLOT, RACE),
    mutant("released_before_it_is_read", "C1", (SPSC, "impl Head / fn take<"),
        &[("self.release_at(word, position);", ""),
          ("let message = read(position);", "self.release_at(word, position); let message = read(position);")],
        SLOT, RACE),
    mutant("refill_exact_relaxed", "C1", (SPSC, "fn refill_exact("), ACQUIRE, SLOT, RACE),
    mutant("gate_store_relaxed", "G1", (SPSC, "fn publish_gate("), RELEASE, GATE, RACE),
    mutant("refill_gate_relaxed", "G1", (SPSC, "fn refill("),
        &[("control.gate.0.load(Acquire)", "control.gate.0.load(Relaxed)")], GATE, RACE),
    mutant("resume_gate_relaxed", "G1", (SPSC, "impl Tail / fn resume("),
        &[("control.gate.0.load(Acquire)", "control.gate.0.load(Relaxed)")], DEAD_PRODUCER,
        Fate::Survives("a word that is older than the gate is of the lap before, and says rightly that its position \
            is untouched; the first push acquires the gate")),
    mutant("gate_before_release", "order", (SPSC, "fn publish_gate("),
        &[("self.gate = self.next;", "self.gate = self.next.wrapping_add(1);")], LAPS, RACE),
    mutant("close_producer_relaxed", "X1", (CLOSE_RS, "fn close_producer("), RELEASE, CLOSE, WRONG),
    mutant("look_slow_closed_relaxed", "X1", (SPSC, "fn look_slow("),
        &[("control.closed.0.load(Acquire)", "control.closed.0.load(Relaxed)")], CLOSE, WRONG),
    mutant("closed_loaded_after_the_words", "X1", (SPSC, "fn look_slow("),
        &[
            ("control.closed.0.load(Acquire);", "control.closed.0.load(Acquire) & CLOSED_BY_CONSUMER;"),
            ("let last = closed & CLOSED_BY_PRODUCER", "let last = control.closed.0.load(Acquire) & CLOSED_BY_PRODUCER"),
        ], CLOSE, WRONG),
    mutant("producer_closed_relaxed", "X1", (CLOSE_RS, "fn producer_closed("), ACQUIRE,
        ("close", "the_closed_question_comes_before_the_last_look"), WRONG),
    mutant("close_consumer_relaxed", "X1", (CLOSE_RS, "fn close_consumer("), RELEASE, LATE,
        Fate::Survives("nothing is read on the strength of the consumer's bit, and X2 carries it to the producer")),
    mutant("refill_closed_relaxed", "X1", (SPSC, "fn refill("),
        &[("control.closed.0.load(Acquire)", "control.closed.0.load(Relaxed)")], LATE,
        Fate::Survives("a producer that finds the ring closed reads nothing more")),
    mutant("consumer_closed_relaxed", "X1", (CLOSE_RS, "fn consumer_closed("), ACQUIRE, LATE,
        Fate::Survives("whoever asks reads nothing more on the strength of the answer")),
    mutant("leave_relaxed", "X2", (PARK, "fn leave("), RELEASE, LATE, WRONG),
    mutant("gone_relaxed", "X2", (PARK, "fn notify_slow("),
        &[("word.load(Acquire)", "word.load(Relaxed)")], LATE, WRONG),
    mutant("no_publisher_fence", "W1", (PARK, "fn notify("),
        &[("fence(SeqCst);", "")], FUTEX, DEADLOCK),
    mutant("no_light_fence", "W1", (PARK, "fn all_awake("),
        &[("light_fence();", "")], FUTEX, DEADLOCK),
    mutant("no_sleeper_fence", "W1", (PARK, "fn sleeper("),
        &[("fence(SeqCst);", ";")], FUTEX, DEADLOCK),
    mutant("no_heavy_fence", "W1", (PARK, "fn sleeper("),
        &[("heavy_fence()", "true")], FUTEX,
        Fate::Survives("loom has no membarrier: the publisher's half is a full fence in the models, and the \
            sleeper executes one of its own before the heavy one")),
    mutant("producer_sleeps_without_fence", "W1", (PARK, "fn sleeper("),
        &[("fence(SeqCst);", ";")], ("park", "a_producer_asleep_on_a_futex_is_woken"), DEADLOCK),
    mutant("semaphore_without_fence", "W1", (PARK, "fn notify("),
        &[("fence(SeqCst);", "")], ("park", "a_consumer_asleep_on_a_semaphore_is_woken"), DEADLOCK),
    mutant("notify_looks_before_its_fence", "W1", (PARK, "fn notify("),
        &[("fence(SeqCst);", "let seen = word.load(Relaxed); fence(SeqCst);"),
          ("if word.load(Relaxed)", "if seen")], FUTEX, DEADLOCK),
    mutant("nap_without_second_look", "W1", (PARK, "fn nap("),
        &[("until_ns()", "{ let _ = until_ns; Some(u64::MAX) }")], FUTEX, DEADLOCK),
    mutant("nap_looks_before_it_says_so", "W1", (PARK, "fn nap("),
        &[("let said = word.fetch_or(ASLEEP, Relaxed) | ASLEEP;", "let until = until_ns();"),
          ("if let Some(until) = until_ns()",
           "let said = word.fetch_or(ASLEEP, Relaxed) | ASLEEP; if let Some(until) = until")], FUTEX, DEADLOCK),
    mutant("wakes_are_not_counted", "order", (PARK, "fn notify_slow("),
        &[(".wrapping_add(STATE + 1)", "")],
        ("mpsc_park", "producers_asleep_on_one_word_are_all_woken"), DEADLOCK),
    mutant("one_of_many_sleepers_wakes_for_all", "order", (PARK, "fn nap("),
        &[("sleepers == Sleepers::One", "true")],
        ("mpsc_park", "producers_asleep_on_one_word_are_all_woken"), DEADLOCK),
    mutant("nobody_rings", "order", (PARK, "fn notify_slow("),
        &[("bell.ring(word);", "let _ = bell;")], FUTEX, DEADLOCK),
    mutant("the_word_stays_asleep", "order", (PARK, "fn notify_slow("),
        &[("| AWAKE;", "| ASLEEP;")], HEALS, WRONG),
    mutant("gate_believed_only_within_a_lap", "order", (SPSC, "fn refill("),
        &[("unreleased > 2 * self.capacity", "unreleased > self.capacity")], LAG, CORRUPT),
    mutant("skips_told_once_a_successor_is_lost", "order", (SPSC, "fn look_slow("), SKIPS_TOLD_ONCE,
        ("skip", "a_consumer_killed_while_it_passes_given_up_slots_is_succeeded"), WRONG),
    mutant("skips_told_once_the_producer_sees_a_lie", "order", (SPSC, "fn look_slow("), SKIPS_TOLD_ONCE,
        ("skip", "a_producer_follows_a_consumer_past_given_up_slots"), CORRUPT),
    mutant("tail_stops_at_released", "order", (SPSC, "impl Tail / fn resume("),
        &[("stage != Stage::Untouched", "stage == Stage::Committed")], DEAD_PRODUCER, NOTICED),
    mutant("tail_stops_at_committed", "order", (SPSC, "impl Tail / fn resume("),
        &[("stage != Stage::Untouched", "stage == Stage::Released")], DEAD_PRODUCER, NOTICED),
    mutant("tail_scans_one_lap", "order", (SPSC, "impl Tail / fn resume("),
        &[("2 * capacity", "capacity")], DEAD_EXACT_PRODUCER, NOTICED),
    mutant("head_passes_over_committed", "order", (SPSC, "impl Head / fn resume("),
        &[("stage == Stage::Released", "stage != Stage::Untouched")], DEAD_CONSUMER, NOTICED),
    mutant("head_stops_at_the_gate", "order", (SPSC, "impl Head / fn resume("),
        &[("stage == Stage::Released", "stage == Stage::Untouched")], DEAD_CONSUMER, NOTICED),
    mutant("a_slot_used_again_is_not_released", "order", (SPSC, "fn stage("),
        &[("word::ready(after),", "word::free(after),")], DEAD_BEHIND, NOTICED),
    mutant("a_slot_released_twice_is_not_released", "order", (SPSC, "fn stage("),
        &[("word::free(after.wrapping_add(capacity))", "word::free(after)")], DEAD_EXACT_PRODUCER, CORRUPT),
    mutant("a_slot_of_the_lap_before_is_not_untouched", "order", (SPSC, "fn stage("),
        &[("word::ready(before),", "word::free(p),")], DEAD_EXACT_PRODUCER, CORRUPT),
    mutant("resume_words_relaxed", "C1", (SPSC, "fn first_not("), ACQUIRE, DEAD_EXACT_PRODUCER,
        Fate::Survives("a successor reads and writes no payload on the strength of the scan: the consumer's `look` \
            and the producer's `refill` acquire for themselves")),
    mutant("resume_head_gate_relaxed", "G1", (SPSC, "impl Head / fn resume("),
        &[("control.gate.0.load(Acquire)", "control.gate.0.load(Relaxed)")], DEAD_CONSUMER,
        Fate::Survives("only the predecessor stored it, and the kernel lock that changed hands orders that")),
    mutant("header_ready_relaxed", "R1", (HEADER, "pub fn an_attacher"),
        &[("ready.store(1, Release)", "ready.store(1, Relaxed)")], ATTACH, WRONG),
    mutant("attach_relaxed", "R1", (HEADER, "pub fn an_attacher"),
        &[("ready.load(Acquire)", "ready.load(Relaxed)")], ATTACH, WRONG),
    mutant("seat_state_relaxed", "T1", (HEADER, "pub fn an_onlooker"),
        &[("state.store(ACTIVE, Release)", "state.store(ACTIVE, Relaxed)")], SEATED, WRONG),
    mutant("onlooker_relaxed", "T1", (HEADER, "pub fn an_onlooker"),
        &[("state.load(Acquire)", "state.load(Relaxed)")], SEATED, WRONG),
];
