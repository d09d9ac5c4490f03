//! The mutants of slots that many share; see [`super`].

use super::{
    ACQUIRE, CLOSE_RS, CORRUPT, EARLY, Fate, LOST, Mutant, NOTICED, RACE, RELEASE, WRONG, mutant,
};

const ANNOUNCE: &str = "src/ring/announce.rs";
const RUN: &str = "src/ring/shared/mod.rs";
const TAIL: &str = "src/ring/shared/tail.rs";
const HEAD: &str = "src/ring/shared/head.rs";
const ALONE: &str = "src/ring/shared/alone.rs";
const REPAIR: &str = "src/ring/shared/repair.rs";
const GATE: &str = "src/ring/shared/gate.rs";

/// In a file that does not import it.
const RELEASE_BY_PATH: &[(&str, &str)] = &[("Release", "crate::sync::Ordering::Relaxed")];

const TWO: (&str, &str) = ("shared", "two_producers_share_the_slots");
const NO_LIE: (&str, &str) = ("shared", "a_refusal_is_not_taken_for_a_lie");
const FULL: (&str, &str) = ("shared", "a_full_ring_refuses");
const RELEASED: (&str, &str) = ("shared", "a_slot_is_claimed_only_when_it_was_released");
const ONE_EACH: (&str, &str) = ("shared", "each_message_goes_to_one_consumer");
const BOTH: (&str, &str) = ("shared", "producers_and_consumers_share_a_ring");
const CLOSED: (&str, &str) = ("shared", "no_slot_is_claimed_after_the_close");
const LONE_END: (&str, &str) = ("shared_alone", "consumers_of_one_producer_are_told_the_end");
const LONE: (&str, &str) = ("shared_alone", "the_only_producer_waits_for_each_slot");
const LONE_FULL: (&str, &str) = (
    "shared_alone",
    "the_only_producer_writes_only_what_was_released",
);
const LONE_DEAD: (&str, &str) = ("shared_alone", "the_only_producer_is_succeeded");
const DEAD: (&str, &str) = ("shared_repair", "a_dead_producers_slot_becomes_a_tombstone");
const STALE: (&str, &str) = ("shared_repair", "a_stale_announcement_delays_and_no_more");
const REFUSED: (&str, &str) = (
    "shared_repair",
    "a_producer_that_was_refused_is_not_waited_for",
);
const OTHERS: (&str, &str) = ("shared_repair", "a_tombstone_may_be_another_ones");
const PLACE: (&str, &str) = (
    "shared_repair",
    "the_place_of_a_dead_producer_is_taken_when_its_slots_are_settled",
);
const HOLE: (&str, &str) = ("shared_repair", "two_consumers_may_meet_one_hole");
const AGAIN: (&str, &str) = (
    "shared_orphans",
    "what_a_dead_consumer_had_in_hand_comes_again",
);
const STILL: (&str, &str) = (
    "shared_orphans",
    "a_living_consumers_stale_announcement_delays_and_no_more",
);
const FINISHED: (&str, &str) = (
    "shared_orphans",
    "what_a_living_one_has_finished_is_no_orphan",
);
const DROPPED: (&str, &str) = (
    "shared_drop",
    "what_a_dead_consumer_had_in_hand_is_dropped_and_counted",
);
const DROP_TWICE: (&str, &str) = ("shared_drop", "two_who_drop_count_each_message_once");
const DROP_LIVING: (&str, &str) = (
    "shared_drop",
    "nothing_is_dropped_that_a_living_one_has_in_hand",
);
const PROMISED: (&str, &str) = ("shared_gate", "the_gate_promises_only_what_was_released");
const OLDEST: (&str, &str) = ("shared_gate", "the_gate_waits_for_the_oldest_in_hand");
const MOVED: (&str, &str) = ("shared_gate", "what_is_taken_over_is_not_promised");
const INHERITED: (&str, &str) = ("shared_gate", "what_is_inherited_is_not_promised");
const LIES: (&str, &str) = ("shared_lies", "lying_positions_lead_nowhere");

/// All of them.
#[rustfmt::skip]
pub(super) const SHARED: &[Mutant] = &[
    // Producers.
    mutant("slot_commit_relaxed", "P1", (RUN, "fn commit("), RELEASE_BY_PATH, TWO, CORRUPT),
    mutant("slot_abort_relaxed", "P1", (RUN, "fn abort("), RELEASE_BY_PATH,
        ("shared", "runs_and_tombstones_come_in_order"), CORRUPT),
    mutant("slot_release_relaxed", "C1", (RUN, "fn release("), RELEASE_BY_PATH, BOTH, RACE),
    mutant("free_from_relaxed", "C1", (TAIL, "fn free_from("),
        &[("load(Acquire) != word::free(position)", "load(Relaxed) != word::free(position)")], RELEASED, RACE),
    mutant("refusal_word_relaxed", "C1", (TAIL, "fn refusal("), ACQUIRE, NO_LIE, CORRUPT),
    mutant("refusal_looks_at_the_tail_first", "order", (TAIL, "fn refusal("),
        &[("let now = control.tail.0.load(Relaxed);", ""),
          ("let found = words.at(position).load(Acquire);",
           "let now = control.tail.0.load(Relaxed); let found = words.at(position).load(Acquire);")], NO_LIE, CORRUPT),
    mutant("refusal_believes_the_first_tail", "order", (TAIL, "fn refusal("),
        &[("now != seen ||", "now == u64::MAX ||")], FULL, CORRUPT),
    mutant("slot_tail_exchange_relaxed", "A1", (TAIL, "fn claim("),
        &[("compare_exchange(seen, word::free(end), Release, Relaxed)",
           "compare_exchange(seen, word::free(end), Relaxed, Relaxed)")], DEAD, NOTICED),
    mutant("slot_tail_relaxed", "A1", (TAIL, "fn tail("), ACQUIRE, DEAD, NOTICED),
    mutant("slots_announced_after_the_exchange", "A1", (TAIL, "fn claim("),
        &[("announce(mine, from, free);", ""),
          ("Ok(_) => return Ok(Run { next: from, end }),",
           "Ok(_) => { announce(mine, from, free); return Ok(Run { next: from, end }) }")], DEAD, NOTICED),
    mutant("refused_without_withdrawing", "order", (TAIL, "fn claim("), &[("withdraw(mine);", "")], REFUSED,
        Fate::Caught("stuck")),
    mutant("claims_what_is_not_free", "order", (TAIL, "fn free_from("),
        &[("words.at(position).load(Acquire) != word::free(position)",
           "words.at(position).load(Acquire) == word::ready(position)")], FULL, NOTICED),
    mutant("claims_after_the_close", "order", (TAIL, "fn claim("), &[("seen & CLOSED == 0", "true")], CLOSED, NOTICED),
    mutant("slots_closed_before_the_tail", "order", (CLOSE_RS, "fn close_shared("),
        &[("control.tail.0.fetch_or(u64::from(bit), Relaxed);", ""),
          ("control.closed.0.fetch_or(bit, Release);",
           "control.closed.0.fetch_or(bit, Release); control.tail.0.fetch_or(u64::from(bit), Relaxed);")],
        ("shared", "the_only_consumer_is_told_the_end_behind_the_last_slot"), EARLY),
    // The only producer.
    mutant("lone_put_relaxed", "P1", (ALONE, "fn put("), RELEASE, LONE, RACE),
    mutant("lone_refill_relaxed", "C1", (ALONE, "fn refill("),
        &[("words.at(self.limit).load(Acquire)", "words.at(self.limit).load(Relaxed)")], LONE_FULL, RACE),
    mutant("lone_refill_closed_relaxed", "X1", (ALONE, "fn refill("),
        &[("control.closed.0.load(Acquire)", "control.closed.0.load(Relaxed)")], LONE,
        Fate::Survives("a producer that finds the ring closed reads nothing more")),
    mutant("lone_resume_relaxed", "C1", (ALONE, "fn resume("), ACQUIRE, LONE_DEAD,
        Fate::Survives("a successor reads and writes no payload on the strength of it; its first push acquires")),
    mutant("lone_resume_stops_at_what_was_taken", "order", (ALONE, "fn resume("),
        &[("distance(found, next) < 0 || found == word::free(next)", "found != word::ready(next)")], LONE_DEAD, NOTICED),
    mutant("lone_resume_passes_the_lap_before", "order", (ALONE, "fn resume("),
        &[("distance(found, next) < 0 ||", "false ||")], LONE_DEAD, NOTICED),
    mutant("lone_refill_runs_past_its_goal", "order", (ALONE, "fn refill("),
        &[("most.wrapping_sub(self.limit) as i64 > 0", "self.limit != most")], LIES,
        Fate::Survives("what the slots say ends it as well, if no peer keeps changing them")),
    // Consumers.
    mutant("head_exchange_relaxed", "A1", (HEAD, "fn take_there("),
        &[("compare_exchange(seen, end, Release, Relaxed)", "compare_exchange(seen, end, Relaxed, Relaxed)")],
        FINISHED, WRONG),
    mutant("head_relaxed", "A1", (HEAD, "fn head("), ACQUIRE, FINISHED, WRONG),
    mutant("taken_before_it_is_announced", "A1", (HEAD, "fn take_there("),
        &[("announce(mine, seen, there);", ""),
          ("Ok(_) => return Some(Run { next: seen, end }),",
           "Ok(_) => { announce(mine, seen, there); return Some(Run { next: seen, end }) }")], AGAIN, NOTICED),
    mutant("committed_from_relaxed", "P1", (HEAD, "fn committed_from("),
        &[("load(Acquire); if found", "load(Relaxed); if found")], BOTH,
        Fate::Survives("who has claimed a message asks first whether it is a tombstone, and acquires it there")),
    mutant("nothing_word_relaxed", "P1", (HEAD, "fn nothing("),
        &[("words.at(seen).load(Acquire)", "words.at(seen).load(Relaxed)")], BOTH, CORRUPT),
    mutant("nothing_closed_relaxed", "X1", (HEAD, "fn nothing("),
        &[("control.closed.0.load(Acquire)", "control.closed.0.load(Relaxed)")], LONE_END, LOST),
    mutant("nothing_asks_closed_after_the_word", "order", (HEAD, "fn nothing("),
        &[("let closed = control.closed.0.load(Acquire);", ""),
          ("let now = control.head.0.taken.load(Relaxed);",
           "let closed = control.closed.0.load(Acquire); let now = control.head.0.taken.load(Relaxed);")],
        LONE_END, LOST),
    mutant("nothing_believes_the_first_head", "order", (HEAD, "fn nothing("),
        &[("now != seen ||", "now == u64::MAX ||")], BOTH, CORRUPT),
    mutant("drained_while_something_is_claimed", "order", (HEAD, "fn nothing("),
        &[("tail_closed && !claimed", "tail_closed")], CLOSED, EARLY),
    mutant("nothing_found_without_withdrawing", "order", (HEAD, "fn take_there("), &[("withdraw(mine);", "")],
        ("shared_orphans", "a_living_consumers_stale_announcement_delays_and_no_more"), NOTICED),
    mutant("taken_without_comparing", "order", (HEAD, "fn take_there("),
        &[("match control.head.0.taken.compare_exchange(seen, end, Release, Relaxed)",
           "match { control.head.0.taken.store(end, Release); Ok::<u64, u64>(seen) }")], ONE_EACH, NOTICED),
    // The gate.
    mutant("learned_a_slot_too_many", "order", (GATE, "fn learn("), &[("from.wrapping_add(n)", "from.wrapping_add(n + 1)")],
        ("shared_gate", "what_was_seen_ahead_is_free_to_claim"), RACE),
    mutant("gate_of_many_relaxed", "G1", (GATE, "fn publish("), &[("fetch_max(gate, Release)", "fetch_max(gate, Relaxed)")],
        PROMISED, RACE),
    mutant("gate_is_read_relaxed", "G1", (GATE, "fn limit("), ACQUIRE, PROMISED, RACE),
    mutant("gate_is_the_head", "order", (GATE, "fn publish("), &[("if older && repair::is_unfinished(", "if false && repair::is_unfinished(")],
        OLDEST, RACE),
    mutant("gate_head_last", "A1", (GATE, "fn publish("),
        &[("let head = head::head(control);", "let head = u64::MAX >> 1;"),
          ("if control.head.0.moved", "let gate = gate.min(head::head(control)); if control.head.0.moved")],
        OLDEST, RACE),
    mutant("gate_ignores_what_moved", "A3", (GATE, "fn publish("), &[("load(Acquire) == moved", "load(Acquire) >= moved")],
        MOVED, RACE),
    mutant("nothing_is_counted_as_moved", "A3", (REPAIR, "fn take_over("),
        &[("control.head.0.moved.fetch_add(1, Release);", "")], MOVED, RACE),
    mutant("moved_before_it_is_announced", "A3", (REPAIR, "fn take_over("),
        &[("announce::announce(mine, run.next, run.len());", ""),
          ("control.head.0.moved.fetch_add(1, Release);",
           "control.head.0.moved.fetch_add(1, Release); announce::announce(mine, run.next, run.len());")],
        MOVED, RACE),
    mutant("taken_over_from_behind_what_waits", "order", (REPAIR, "fn estate("),
        &[("if run.is_empty() { break; }", "")],
        ("shared_gate", "nothing_is_taken_over_from_behind_what_waits"), NOTICED),
    mutant("the_head_is_asked_for_each_position", "order", (REPAIR, "fn estate("),
        &[("let head = head::head(control);", ""),
          ("if head.wrapping_sub(position) as i64 <= 0 { break; }",
           "if head::head(control).wrapping_sub(position) as i64 <= 0 { continue; }")],
        ("shared_gate", "what_is_claimed_later_is_not_inherited"), NOTICED),
    mutant("inherited_by_halves", "order", (REPAIR, "fn inherit("),
        &[("mine.announce_len.store(len, Release);", "announce::announce(mine, run.next, run.len());")], INHERITED, RACE),
    mutant("more_is_promised_than_a_ring", "order", (GATE, "fn left(limit"), &[("left <= capacity", "true")],
        ("shared_lies", "a_lying_gate_promises_no_more_than_a_ring"), WRONG),
    // Repair.
    mutant("tombstone_ignores_the_tail", "order", (REPAIR, "fn tombstone("),
        &[("distance(tail::tail(control).0, position) <= 0", "false")], DEAD, NOTICED),
    mutant("tombstone_looks_at_the_tail_last", "order", (REPAIR, "fn tombstone("),
        &[("if distance(tail::tail(control).0, position) <= 0 { return Verdict::Settled; }", ""),
          ("let _ = words.at(position)",
           "if distance(tail::tail(control).0, position) <= 0 { return Verdict::Settled; } let _ = words.at(position)")],
        DEAD, NOTICED),
    mutant("tombstone_robs_the_living", "order", (REPAIR, "fn tombstone("),
        &[("is_announced_alive(producers, position)", "is_announced_alive(producers, position) && false")], DEAD, NOTICED),
    mutant("tombstone_is_a_store", "order", (REPAIR, "fn tombstone("),
        &[("let _ = words.at(position).compare_exchange(
                word::free(position), word::skip(position), Release, Relaxed, );",
           "words.at(position).store(word::skip(position), Release);")], HOLE, NOTICED),
    mutant("tombstone_relaxed", "P1", (REPAIR, "fn tombstone("),
        &[("word::skip(position), Release,", "word::skip(position), Relaxed,")], OTHERS, NOTICED),
    mutant("orphan_word_relaxed", "C1", (REPAIR, "fn is_in_hand("), ACQUIRE, OLDEST, RACE),
    mutant("orphan_ignores_the_head", "order", (REPAIR, "fn estate("),
        &[("if head.wrapping_sub(position) as i64 <= 0 { break; }", "")], DROPPED, NOTICED),
    mutant("orphan_word_only_before_the_announcements", "order", (REPAIR, "fn orphan("),
        &[("let alive = is_announced_alive(consumers, position); if !is_in_hand(words, position) { return Verdict::Settled; }",
           "let alive = is_announced_alive(consumers, position);")],
        FINISHED, NOTICED),
    mutant("orphan_robs_the_living", "order", (REPAIR, "fn orphan("), &[("if alive {", "if alive && false {")],
        FINISHED, WRONG),
    mutant("estate_forgets_who_has_to_wait", "order", (REPAIR, "fn estate("),
        &[("settled = false;", "")], STILL, NOTICED),
    mutant("dropped_and_not_counted", "order", (REPAIR, "fn give_up("),
        &[("control.head.0.dropped.fetch_add(1, Relaxed);", "")], DROPPED, NOTICED),
    mutant("tombstones_are_counted_as_dropped", "order", (REPAIR, "fn give_up("),
        &[("if is_message {", "if is_message || true {")], DROP_TWICE, NOTICED),
    mutant("dropped_and_not_released", "order", (REPAIR, "fn give_up("),
        &[("run.release(words, capacity);", "run.next = run.next.wrapping_add(1);")], DROPPED, NOTICED),
    mutant("the_living_are_robbed_by_who_drops", "order", (REPAIR, "fn orphan("), &[("if alive {", "if alive && false {")],
        DROP_LIVING, NOTICED),
    mutant("claims_settled_though_one_waits", "order", (REPAIR, "fn settle_claims("),
        &[("settled & (", "settled | (")], PLACE, WRONG),
    mutant("a_living_one_is_not_asked", "order", (ANNOUNCE, "fn is_announced_alive("),
        &[("&& !table.is_dead(i)", "&& table.is_dead(i)")], DEAD, NOTICED),
    mutant("positions_of_62_bits_are_compared_whole", "order", (ANNOUNCE, "fn is_announced_alive("),
        &[("% POSITION_LIMIT", "")], STALE, NOTICED),
    mutant("slot_announce_relaxed", "A2", (ANNOUNCE, "fn announce("),
        &[("mine.announce.store(from, Release);", "mine.announce.store(from, crate::sync::Ordering::Relaxed);"),
          ("mine.announce_len.store(len, Release);",
           "mine.announce_len.store(len, crate::sync::Ordering::Relaxed);")], FINISHED, WRONG),
    mutant("slot_run_relaxed", "A2", (ANNOUNCE, "pub(crate) fn run("),
        &[("entry.announce.load(Acquire)", "entry.announce.load(crate::sync::Ordering::Relaxed)"),
          ("entry.announce_len.load(Acquire)", "entry.announce_len.load(crate::sync::Ordering::Relaxed)")],
        FINISHED, WRONG),
    mutant("slot_withdraw_relaxed", "A2", (ANNOUNCE, "fn withdraw("),
        &[("Release", "crate::sync::Ordering::Relaxed")],
        ("shared_orphans", "what_a_loser_has_finished_is_no_orphan"), WRONG),
];
