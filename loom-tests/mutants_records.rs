//! The mutants of rings of records; see [`super`].

use super::{ACQUIRE, CLOSE_RS, CORRUPT, Fate, Mutant, NOTICED, RACE, RELEASE, WRONG, mutant};

const RECORDS_ONE: &str = "src/ring/records/spsc.rs";
const RECORDS_HEAD: &str = "src/ring/records/head.rs";
const MANY: &str = "src/ring/records/mpsc.rs";
const REPAIR: &str = "src/ring/records/repair.rs";
const ANNOUNCE: &str = "src/ring/announce.rs";
const OBSERVE: &str = "src/ring/records/observe.rs";

/// In a file that does not import it.
const ACQUIRE_BY_PATH: &[(&str, &str)] = &[("Acquire", "crate::sync::Ordering::Relaxed")];

/// In a file that does not import it.
const RELEASE_BY_PATH: &[(&str, &str)] = &[("Release", "crate::sync::Ordering::Relaxed")];

const RECORD: (&str, &str) = ("records_publish", "a_record_that_is_seen_is_whole");
const OLD_BYTES: (&str, &str) = (
    "records_publish",
    "bytes_of_a_loan_that_was_given_up_are_no_records",
);
const RECORDS_CLOSE: (&str, &str) = (
    "records_publish",
    "no_record_committed_before_the_close_is_missed",
);
const RECORDS_GATE: (&str, &str) = (
    "records_full",
    "the_gate_hands_back_only_records_that_were_read",
);
const RECORDS_WIPED: (&str, &str) = (
    "records_full",
    "the_head_hands_back_only_records_that_were_read",
);
const RECORDS_OWNED: (&str, &str) = (
    "records_full",
    "bytes_that_were_read_are_the_consumers_until_it_gives_them_back",
);
const RECORDS_LAG: (&str, &str) = ("records_full", "the_head_is_asked_while_the_gate_lags");
const RECORDS_DEAD_PRODUCER: (&str, &str) = (
    "records_crash",
    "a_producer_of_records_killed_anywhere_loses_only_what_it_had_not_committed",
);
const RECORDS_DEAD_CONSUMER: (&str, &str) = (
    "records_crash",
    "a_consumer_of_records_killed_anywhere_loses_nothing",
);
const SHARED: (&str, &str) = ("mpsc_claim", "two_producers_share_a_ring");
const RUNS: (&str, &str) = ("mpsc_claim", "runs_and_loans_come_in_order");
const SHARED_GATE: (&str, &str) = ("mpsc_claim", "the_gate_hands_back_only_what_was_wiped");
const SHARED_WIPED: (&str, &str) = ("mpsc_claim", "the_head_hands_back_only_what_was_wiped");
const WIPE: (&str, &str) = ("mpsc_wipe", "a_consumer_killed_while_it_wipes_is_succeeded");
const SHARED_CLOSE: (&str, &str) = ("mpsc_close", "no_claim_comes_after_the_close");
const DEAD_CLAIM: (&str, &str) = (
    "mpsc_repair",
    "a_producer_killed_anywhere_loses_only_what_it_had_not_committed",
);
const DEAD_PADDER: (&str, &str) = (
    "mpsc_repair",
    "a_producer_killed_at_the_end_of_the_ring_is_cleared_up_behind",
);
const DEAD_LOAN: (&str, &str) = (
    "mpsc_repair",
    "a_loan_whose_producer_dies_leaves_no_bytes_behind",
);
const TWO_DEAD: (&str, &str) = (
    "mpsc_repair",
    "of_two_dead_that_announced_one_position_the_winner_is_found",
);
const BEHIND_TWO_DEAD: (&str, &str) = ("mpsc_repair", "a_dead_claim_ends_where_the_next_begins");
const WALK: (&str, &str) = (
    "mpsc_walk",
    "what_the_dead_have_claimed_becomes_padding_while_nobody_consumes",
);
const WALK_PLACE: (&str, &str) = (
    "mpsc_walk",
    "the_place_of_a_dead_producer_is_taken_when_the_walk_has_come_past_it",
);
const SETTLED: (&str, &str) = (
    "mpsc_settle",
    "the_place_of_a_dead_producer_is_taken_when_nothing_hangs_on_it",
);
const MARKS: (&str, &str) = ("records_observe", "a_mark_of_the_lap_before_is_no_record");
const LAPPED: (&str, &str) = (
    "records_observe",
    "an_onlooker_knows_where_the_consumer_was_when_it_was_lapped",
);
const OVERWRITTEN: (&str, &str) = (
    "records_observe",
    "payload_over_a_header_is_no_record_to_an_onlooker",
);
const OLD_COPY: (&str, &str) = (
    "records_observe",
    "a_payload_that_was_written_over_is_no_record_to_an_onlooker",
);
const THE_END: (&str, &str) = (
    "records_observe",
    "an_onlooker_is_told_the_end_behind_the_last_record",
);

/// loom runs a thread's stores in program order, and the exchange on the tail publishes them together.
const IN_ORDER: Fate = Fate::Survives(
    "loom runs the stores of a thread in program order, and whoever sees the owner dead, \
    or a claim behind its announcement, has acquired them by then",
);
/// A kernel lock orders it.
const TOKEN: Fate = Fate::Survives(
    "only predecessors stored it, and the kernel lock that changed hands orders that",
);

/// All of them.
#[rustfmt::skip]
pub(super) const RECORDS: &[Mutant] = &[
    // Records, one producer.
    mutant("record_publish_relaxed", "P1", (RECORDS_ONE, "fn publish("), RELEASE, RECORD, RACE),
    mutant("find_relaxed", "P1", (RECORDS_HEAD, "fn find_at("), ACQUIRE,
        ("records_publish", "the_fast_look_alone_sees_whole_records"), RACE),
    mutant("record_look_word_relaxed", "P1", (RECORDS_HEAD, "fn look("),
        &[("cells.at(self.next).load(Acquire)", "cells.at(self.next).load(Relaxed)")], RECORD, RACE),
    mutant("next_header_not_cleared", "order", (RECORDS_ONE, "fn publish("),
        &[("behind.store(0, Relaxed);", "")], OLD_BYTES, WRONG),
    mutant("next_header_cleared_after_the_commit", "order", (RECORDS_ONE, "fn publish("),
        &[("if total > ASKED_AHEAD || record::is_header(behind.load(Relaxed)) { behind.store(0, Relaxed); }", ""),
          ("header.store(word, Release);", "header.store(word, Release); behind.store(0, Relaxed);")],
        OLD_BYTES, WRONG),
    mutant("taken_not_stored", "C1", (RECORDS_HEAD, "fn pass("),
        &[("control.head.0.taken.store(next, Release);", "")], RECORDS_DEAD_CONSUMER, NOTICED),
    mutant("taken_relaxed", "C1", (RECORDS_HEAD, "fn pass("),
        &[("taken.store(next, Release)", "taken.store(next, Relaxed)")], MARKS, WRONG),
    mutant("marked_before_taken", "order", (RECORDS_HEAD, "fn pass("),
        &[("control.head.0.taken.store(next, Release);", ""),
          ("cells.at(from).store(record::taken(word), Relaxed);",
           "cells.at(from).store(record::taken(word), Relaxed); control.head.0.taken.store(next, Release);")],
        RECORDS_DEAD_CONSUMER, NOTICED),
    mutant("mark_missing", "Z2", (RECORDS_HEAD, "fn pass("),
        &[("cells.at(from).store(record::taken(word), Relaxed);", "let _ = word;")], RECORDS_DEAD_PRODUCER,
        Fate::Survives("nothing is decided by the mark: the producer clears whatever looks like a header")),
    mutant("wiped_not_stored", "Z1", (RECORDS_HEAD, "fn pass("),
        &[("control.head.0.wiped.store(next, Release);", "")], RECORDS_LAG, WRONG),
    mutant("dirtied_after_the_bytes_were_given_back", "order", (RECORDS_HEAD, "fn pass("),
        &[("cells.dirty(from, total);", ""),
          ("control.head.0.wiped.store(next, Release);",
           "control.head.0.wiped.store(next, Release); cells.dirty(from, total);")], RECORDS_OWNED, RACE),
    mutant("record_refill_wiped_relaxed", "Z1", (RECORDS_ONE, "fn refill("),
        &[("wiped.load(Acquire)", "wiped.load(Relaxed)")], RECORDS_WIPED, RACE),
    mutant("record_refill_gate_relaxed", "G1", (RECORDS_ONE, "fn refill("),
        &[("gate.0.load(Acquire)", "gate.0.load(Relaxed)")], RECORDS_GATE, RACE),
    mutant("record_gate_lags_by_a_lap_at_most", "order", (RECORDS_ONE, "fn refill("),
        &[("> 2 * self.shape.capacity", "> self.shape.capacity")], RECORDS_LAG, CORRUPT),
    mutant("no_mark_fence", "Z2", (RECORDS_HEAD, "fn pass("), &[("fence(Release);", "")],
        RECORDS_DEAD_PRODUCER, NOTICED),
    mutant("no_resume_fence", "Z2", (RECORDS_ONE, "fn resume("), &[("fence(Acquire);", "")],
        RECORDS_DEAD_PRODUCER, NOTICED),
    mutant("a_mark_is_taken_for_the_tail", "order", (RECORDS_ONE, "fn resume("),
        &[("passed as i64 <= 0", "passed as i64 <= i64::MAX")], RECORDS_DEAD_PRODUCER, NOTICED),
    mutant("resume_first_relaxed", "C1", (RECORDS_ONE, "fn first("), ACQUIRE, RECORDS_DEAD_PRODUCER,
        Fate::Survives("a successor reads no payload on the strength of it; the fence orders its second look")),
    mutant("record_look_closed_relaxed", "X1", (RECORDS_HEAD, "fn look("),
        &[("closed.0.load(Acquire)", "closed.0.load(Relaxed)")], RECORDS_CLOSE, WRONG),
    mutant("record_closed_loaded_after_the_words", "X1", (RECORDS_HEAD, "fn look("),
        &[("control.closed.0.load(Acquire);", "control.closed.0.load(Acquire) & CLOSED_BY_CONSUMER;"),
          ("closed & CLOSED_BY_PRODUCER", "control.closed.0.load(Acquire) & CLOSED_BY_PRODUCER")],
        RECORDS_CLOSE, WRONG),
    mutant("record_refill_closed_relaxed", "X1", (RECORDS_ONE, "fn refill("),
        &[("closed.0.load(Acquire)", "closed.0.load(Relaxed)")], RECORDS_CLOSE,
        Fate::Survives("a producer that finds the ring closed reads nothing more")),
    // Records, many producers.
    mutant("commit_relaxed", "P1", (MANY, "fn commit("), RELEASE, SHARED, RACE),
    mutant("abort_relaxed", "P1", (MANY, "fn abort("), RELEASE, RUNS, RACE),
    mutant("claim_padding_relaxed", "P1", (MANY, "fn claim("),
        &[("store(record::pad(pad), Release)", "store(record::pad(pad), Relaxed)")], DEAD_PADDER, CORRUPT),
    mutant("begin_omitted", "order", (MANY, "fn begin("),
        &[("words.at(self.next).store(record::busy(len), Relaxed);", "let _ = (words, len);")], TWO_DEAD, WRONG),
    mutant("no_busy_fence", "A2", (MANY, "fn begin("), &[("fence(Release);", "")], TWO_DEAD, IN_ORDER),
    mutant("commit_last_pads_behind_a_ready_record", "order", (MANY, "fn commit_last("),
        &[("self.next = at.wrapping_add(record.total); self.abort(words); self.next = at;
            self.commit(words, record);",
           "self.next = at; self.commit(words, record); self.abort(words);")], DEAD_LOAN, WRONG),
    mutant("announced_after_the_exchange", "A1", (MANY, "fn claim("),
        &[("announce(mine, seen, pad + total);", ""),
          ("Ok(_) => {", "Ok(_) => { announce(mine, seen, pad + total);")],
        DEAD_CLAIM, NOTICED),
    mutant("announced_without_position", "A1", (ANNOUNCE, "fn announce("),
        &[("mine.announce.store(from, Release);", "let _ = from;")], DEAD_PADDER, Fate::Caught("stuck at")),
    mutant("announced_without_length", "A1", (ANNOUNCE, "fn announce("),
        &[("mine.announce_len.store(len, Release);", "let _ = len;")], DEAD_CLAIM, WRONG),
    mutant("tail_exchange_relaxed", "A1", (MANY, "fn claim("),
        &[("compare_exchange(seen, end, Release, Relaxed)", "compare_exchange(seen, end, Relaxed, Relaxed)")],
        BEHIND_TWO_DEAD, NOTICED),
    mutant("tail_relaxed", "A1", (MANY, "fn tail("), ACQUIRE, BEHIND_TWO_DEAD, NOTICED),
    mutant("withdraw_missing", "order", (ANNOUNCE, "fn withdraw("),
        &[("mine.announce_len.store(0, Release);", "let _ = mine;")],
        ("mpsc_repair", "a_producer_that_waits_for_room_is_not_waited_for"), Fate::Caught("stuck at")),
    mutant("announce_relaxed", "A2", (ANNOUNCE, "fn announce("),
        &[("mine.announce.store(from, Release);", "mine.announce.store(from, crate::sync::Ordering::Relaxed);"),
          ("mine.announce_len.store(len, Release);",
           "mine.announce_len.store(len, crate::sync::Ordering::Relaxed);")],
        BEHIND_TWO_DEAD, IN_ORDER),
    mutant("withdraw_relaxed", "A2", (ANNOUNCE, "fn withdraw("), RELEASE_BY_PATH,
        ("mpsc_repair", "a_producer_that_waits_for_room_is_not_waited_for"), IN_ORDER),
    mutant("run_relaxed", "A2", (ANNOUNCE, "pub(crate) fn run("),
        &[("entry.announce.load(Acquire)", "entry.announce.load(crate::sync::Ordering::Relaxed)"),
          ("entry.announce_len.load(Acquire)", "entry.announce_len.load(crate::sync::Ordering::Relaxed)")],
        BEHIND_TWO_DEAD, IN_ORDER),
    mutant("admits_wiped_relaxed", "Z1", (MANY, "fn admits("),
        &[("wiped.load(Acquire)", "wiped.load(Relaxed)")], SHARED_WIPED, RACE),
    mutant("admits_gate_relaxed", "G1", (MANY, "fn admits("),
        &[("gate.0.load(Acquire)", "gate.0.load(Relaxed)")], SHARED_GATE, RACE),
    mutant("record_gate_relaxed", "G1", (RECORDS_HEAD, "fn publish_gate("), RELEASE, SHARED_GATE, RACE),
    mutant("wiped_relaxed", "Z1", (RECORDS_HEAD, "fn pass("),
        &[("wiped.store(next, Release)", "wiped.store(next, Relaxed)")], SHARED_WIPED, RACE),
    mutant("wiped_before_it_is_wiped", "order", (RECORDS_HEAD, "fn pass("),
        &[("control.head.0.wiped.store(next, Release);", ""),
          ("control.head.0.taken.store(next, Release);",
           "control.head.0.taken.store(next, Release); control.head.0.wiped.store(next, Release);")],
        SHARED_WIPED, NOTICED),
    mutant("wiped_before_it_is_taken", "order", (RECORDS_HEAD, "fn pass("),
        &[("Producers::Many => cells.wipe(from, total, self.shape.align()),", "Producers::Many => {}"),
          ("control.head.0.taken.store(next, Release);",
           "if self.producers == Producers::Many { cells.wipe(from, total, self.shape.align()); }
            control.head.0.taken.store(next, Release);")], WIPE, NOTICED),
    mutant("resume_does_not_wipe", "order", (RECORDS_HEAD, "fn resume("),
        &[("cells.wipe(wiped, first, shape.align());
            cells.wipe(wiped.wrapping_add(first), unwiped - first, shape.align());", "let _ = first;")], WIPE, WRONG),
    mutant("resume_wiped_store_relaxed", "Z1", (RECORDS_HEAD, "fn resume("),
        &[("wiped.store(taken, Release)", "wiped.store(taken, Relaxed)")], WIPE, NOTICED),
    mutant("resume_relaxed", "C1 Z1", (RECORDS_HEAD, "fn resume("),
        &[("taken.load(Acquire)", "taken.load(Relaxed)"), ("wiped.load(Acquire)", "wiped.load(Relaxed)")],
        WIPE, TOKEN),
    mutant("repair_takes_the_farthest_end", "order", (REPAIR, "fn pad("),
        &[("least.min(distance)", "least.max(distance)")], TWO_DEAD, CORRUPT),
    mutant("repair_ignores_the_living", "order", (REPAIR, "fn pad("),
        &[("if !table.is_dead(i) { return Repair::Wait; }", "")], DEAD_CLAIM, NOTICED),
    mutant("repair_reads_announcements_once", "order", (REPAIR, "fn pad("),
        &[("if !contains(table.run(i), h) { continue; }",
           "let (from, len) = table.run(i); if !contains((from, len), h) { continue; }"),
          ("return Repair::Wait; } let (from, len) = table.run(i);", "return Repair::Wait; }")],
        ("mpsc_repair", "an_announcement_is_read_while_it_changes"),
        Fate::Survives("who has moved on before it died has its record in place, and the word is read afterwards; \
            one end more cannot make the nearest too far")),
    mutant("repair_pads_past_the_end", "order", (REPAIR, "fn pad("),
        &[("total.min(shape.room(h))", "total")], DEAD_PADDER, CORRUPT),
    mutant("repair_exchange_is_a_store", "order", (REPAIR, "fn pad("),
        &[("words.at(h).compare_exchange(word, pad, Release, Relaxed)",
           "{ words.at(h).store(pad, Release); Ok::<u64, u64>(word) }")], BEHIND_TWO_DEAD,
        Fate::Survives("nobody alive owns that word by then; the exchange stands for peers that lie")),
    mutant("repair_word_relaxed", "P1", (REPAIR, "fn pad("),
        &[("words.at(h).load(Acquire)", "words.at(h).load(Relaxed)")], BEHIND_TWO_DEAD,
        Fate::Survives("the exchange asks for the newest word, and the next look acquires for itself")),
    mutant("repair_padding_relaxed", "P1", (REPAIR, "fn pad("), RELEASE,
        ("mpsc_repair", "a_repairer_may_die_as_well"),
        Fate::Survives("the consumer alone reads it, or its successor, and the kernel lock orders those")),
    mutant("walk_passes_what_is_being_written", "order", (REPAIR, "fn repair_all("),
        &[("if record::is_header(word) {", "if word != 0 {")], WALK, NOTICED),
    mutant("walk_ends_where_it_waits", "order", (REPAIR, "fn repair_all("),
        &[("Repair::Wait => return Walk::Waits(at),", "Repair::Wait => return Walk::Finished(at),")], WALK, NOTICED),
    mutant("walk_stops_behind_its_first_padding", "order", (REPAIR, "fn repair_all("),
        &[("Repair::Done => {}", "Repair::Done => return Walk::Finished(at),")], WALK, NOTICED),
    mutant("settled_below_whatever_the_tail_says", "order", (MANY, "fn is_settled_below("),
        &[("not_behind(tail(control)) ||", "true ||")], WALK_PLACE, NOTICED),
    mutant("settled_at_any_header", "order", (MANY, "fn is_settled("),
        &[("left = left.saturating_sub(total);", "left = total.min(0);")], SETTLED, NOTICED),
    mutant("finish_shared_does_nothing", "order", (CLOSE_RS, "fn finish_shared("),
        &[("control.closed.0.fetch_or(bits, Release);", "")], ("mpsc_close", "a_producer_may_die_closing"), WRONG),
    mutant("tail_not_closed", "order", (CLOSE_RS, "fn close_shared("),
        &[("control.tail.0.fetch_or(u64::from(bit), Relaxed);", "")], SHARED_CLOSE, NOTICED),
    mutant("closed_before_the_tail", "order", (CLOSE_RS, "fn close_shared("),
        &[("control.tail.0.fetch_or(u64::from(bit), Relaxed);", ""),
          ("control.closed.0.fetch_or(bit, Release);",
           "control.closed.0.fetch_or(bit, Release); control.tail.0.fetch_or(u64::from(bit), Relaxed);")],
        SHARED_CLOSE, NOTICED),
    mutant("close_shared_relaxed", "X1", (CLOSE_RS, "fn close_shared("),
        &[("closed.0.fetch_or(bit, Release)", "closed.0.fetch_or(bit, Relaxed)")], SHARED_CLOSE, WRONG),
    mutant("the_end_is_told_before_the_last_claim", "order", (RECORDS_HEAD, "fn look("),
        &[("&& !self.is_claimed(control)", "")],
        ("mpsc_close", "a_loan_of_one_of_many_outlives_the_close"), WRONG),
    // Onlookers.
    mutant("onlooker_word_relaxed", "P1", (OBSERVE, "fn look("),
        &[("words.at(self.next).load(Acquire)", "words.at(self.next).load(crate::sync::Ordering::Relaxed)")],
        MARKS, WRONG),
    mutant("onlooker_closed_relaxed", "X1", (OBSERVE, "fn look("),
        &[("closed.0.load(Acquire)", "closed.0.load(crate::sync::Ordering::Relaxed)")], THE_END, WRONG),
    mutant("onlooker_taken_relaxed", "C1", (OBSERVE, "fn taken("), ACQUIRE_BY_PATH, MARKS, NOTICED),
    mutant("onlooker_asks_taken_after_the_word", "order", (OBSERVE, "fn look("),
        &[("let untaken = self.is_untaken(control);", ""),
          ("let word = record::untaken(found);",
           "let word = record::untaken(found); let untaken = self.is_untaken(control);")], MARKS, WRONG),
    mutant("onlooker_asks_taken_once", "order", (OBSERVE, "fn look("),
        &[("if stale && !self.is_untaken(control)", "if false")], THE_END, WRONG),
    mutant("onlooker_asks_no_limit", "order", (OBSERVE, "fn look("),
        &[("if let Some(bytes) = self.missed(control) { return Seen::Missed { bytes }; }", "")],
        OVERWRITTEN, WRONG),
    mutant("no_grant_fence", "O1", (RECORDS_ONE, "fn grant("), &[("fence(Release);", "")], OVERWRITTEN, WRONG),
    mutant("no_onlooker_fence", "O1", (OBSERVE, "fn look("), &[("fence(Acquire);", "")], OLD_COPY, WRONG),
    mutant("grant_relaxed", "O1", (RECORDS_ONE, "fn grant("),
        &[("tail.0.store(limit, Release)", "tail.0.store(limit, Relaxed)")], LAPPED, WRONG),
    mutant("onlooker_limit_relaxed", "O1", (OBSERVE, "fn missed("),
        &[("tail.0.load(Acquire)", "tail.0.load(crate::sync::Ordering::Relaxed)")], LAPPED, WRONG),
];
