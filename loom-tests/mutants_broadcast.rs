//! The mutants of broadcasts; see [`super`].

use super::{ACQUIRE, CORRUPT, EARLY, Fate, Mutant, NOTICED, RELEASE, WRONG, mutant};

const FRONTIER: &str = "src/ring/broadcast/frontier.rs";
const SLOTS: &str = "src/ring/broadcast/slots.rs";
const WORDS: &str = "src/ring/words.rs";
const RECORDS: &str = "src/ring/broadcast/records.rs";
const MARKS: &str = "src/ring/broadcast/marks.rs";

const OVERRUN: (&str, &str) = (
    "broadcast_slots",
    "a_reader_that_is_overrun_is_told_the_number",
);
const JOINS: (&str, &str) = ("broadcast_slots", "a_reader_joins_a_running_producer");
const GATED: (&str, &str) = (
    "broadcast_slots",
    "a_reader_that_is_waited_for_loses_nothing",
);
const SLOWEST: (&str, &str) = ("broadcast_slots", "the_producer_waits_for_the_slowest");
const CLOSE: (&str, &str) = (
    "broadcast_slots",
    "nothing_published_before_the_close_is_missed_by_a_reader",
);
const DEAD: (&str, &str) = (
    "broadcast_slots",
    "a_dead_producer_of_a_broadcast_is_succeeded",
);
const DEAD_GATED: (&str, &str) = ("broadcast_slots", "a_successor_waits_for_readers_too");
const RECORD: (&str, &str) = (
    "broadcast_records",
    "a_reader_of_records_that_is_overrun_is_told_the_number",
);
const RECORD_LATEST: (&str, &str) = ("broadcast_records", "the_latest_record_is_whole_and_new");
const RECORD_JOINS: (&str, &str) = (
    "broadcast_records",
    "a_reader_joins_a_running_producer_of_records",
);
const RECORD_GATED: (&str, &str) = (
    "broadcast_records",
    "a_reader_of_records_that_is_waited_for_loses_nothing",
);
const DEMOTED: (&str, &str) = (
    "broadcast_records",
    "a_reader_that_is_waited_for_no_longer_is_told",
);
const RECORD_DEAD: (&str, &str) = (
    "broadcast_records",
    "a_dead_producer_of_broadcast_records_is_succeeded",
);
const RECORD_CLOSE: (&str, &str) = (
    "broadcast_records",
    "no_record_published_before_the_close_is_missed",
);
const PADDING: (&str, &str) = (
    "broadcast_records",
    "padding_that_is_overwritten_is_no_loss",
);
const LOAN: (&str, &str) = (
    "broadcast_records",
    "the_latest_record_may_lie_before_the_newest_mark",
);
const TOLD: (&str, &str) = (
    "broadcast_slots",
    "a_frontier_that_a_dead_producer_told_counts",
);
const NOWHERE: (&str, &str) = (
    "broadcast_records",
    "a_reader_does_not_join_where_no_record_begins",
);
const MARK: (&str, &str) = ("broadcast_records", "a_mark_is_read_whole");
const LIES: (&str, &str) = (
    "broadcast_lies",
    "lying_words_of_broadcast_records_lead_nowhere",
);

/// All of them.
#[rustfmt::skip]
pub(super) const BROADCAST: &[Mutant] = &[
    // The frontier.
    mutant("no_frontier_fence", "B1", (FRONTIER, "fn refill("), &[("fence(SeqCst);", "")], GATED, NOTICED),
    mutant("no_gate_fence", "B1", (FRONTIER, "fn gate<"), &[("fence(SeqCst);", "")], GATED, NOTICED),
    mutant("no_successor_fence", "B1", (FRONTIER, "fn new("), &[("fence(SeqCst);", "")], TOLD, NOTICED),
    mutant("no_second_look_at_the_readers", "B1", (FRONTIER, "fn refill("),
        &[("let free = self.free(control, readers, next); if free < need { return Room::Full; }", "let free = goal;")],
        GATED, NOTICED),
    mutant("gate_looks_before_it_says_so", "B1", (FRONTIER, "fn gate<"),
        &[("word.fetch_or(bit, Release);", ""),
          ("let limit = control.tail.0.load(Relaxed);",
           "let limit = control.tail.0.load(Relaxed); word.fetch_or(bit, Release);")], GATED, NOTICED),
    mutant("gate_looks_once", "order", (FRONTIER, "fn gate<"),
        &[("limit.wrapping_sub(position) as i64 <= reach.cast_signed()", "limit == limit")], GATED, NOTICED),
    mutant("frontier_told_after_the_fence", "B1", (FRONTIER, "fn refill("),
        &[("control.tail.0.store(limit, Release);", ""),
          ("fence(SeqCst);", "fence(SeqCst); control.tail.0.store(limit, Release);")], GATED, NOTICED),
    mutant("gating_bit_relaxed", "G3", (FRONTIER, "fn gate<"),
        &[("fetch_or(bit, Release)", "fetch_or(bit, Relaxed)")], GATED, WRONG),
    mutant("laggards_relaxed", "G3", (FRONTIER, "fn laggards<"),
        ACQUIRE, GATED, WRONG),
    mutant("bit_before_the_cursor", "order", (FRONTIER, "fn gate<"),
        &[("publish(mine, position);", ""),
          ("word.fetch_or(bit, Release);", "word.fetch_or(bit, Release); publish(mine, position);")], GATED, WRONG),
    mutant("cursor_relaxed", "G2", (FRONTIER, "pub(crate) fn cursor("), ACQUIRE, SLOWEST,
        Fate::Survives("a reader copies, and looks whether what it copied is still there")),
    mutant("publish_cursor_relaxed", "G2", (FRONTIER, "fn publish("), RELEASE, SLOWEST,
        Fate::Survives("a reader copies, and looks whether what it copied is still there")),
    mutant("frontier_store_relaxed", "B2", (FRONTIER, "fn refill("),
        &[("tail.0.store(limit, Release)", "tail.0.store(limit, Relaxed)")], RECORD_JOINS, CORRUPT),
    mutant("frontier_relaxed", "B2", (FRONTIER, "fn frontier("), ACQUIRE, RECORD_JOINS, CORRUPT),
    mutant("no_ungate_fence", "B3", (FRONTIER, "fn ungate("), &[("fence(Release);", "")], DEMOTED, NOTICED),
    mutant("the_slowest_is_not_waited_for", "order", (FRONTIER, "fn lag("),
        &[("behind.max()", "behind.min()")], SLOWEST, WRONG),
    // Slots.
    mutant("broadcast_put_relaxed", "P1", (SLOTS, "fn put("), RELEASE, OVERRUN, WRONG),
    mutant("no_take_fence", "P1", (SLOTS, "fn take<"),
        &[("fence(Acquire); let message", "let message")], OVERRUN, WRONG),
    mutant("no_begin_fence", "B3", (SLOTS, "fn begin("), &[("fence(Release);", "")], OVERRUN, WRONG),
    mutant("not_said_to_be_written", "B3", (SLOTS, "fn begin("),
        &[("words.at(position).store(word::writing(position), Relaxed);", "let _ = (words, position);")], OVERRUN, WRONG),
    mutant("no_intact_fence", "B3", (SLOTS, "fn take<"),
        &[("copy(position); fence(Acquire);", "copy(position);")], OVERRUN, WRONG),
    mutant("no_second_look_at_the_word", "B3", (SLOTS, "fn take<"),
        &[("copy(position); fence(Acquire); if word.load(Relaxed) != word::ready(position) { return None; }",
           "copy(position);")], OVERRUN, WRONG),
    mutant("broadcast_look_closed_relaxed", "X1", (SLOTS, "fn look("),
        &[("control.closed.0.load(Acquire)", "control.closed.0.load(Relaxed)")], CLOSE, WRONG),
    mutant("no_look_fence", "B3", (SLOTS, "fn look("), &[("fence(Acquire);", "")], OVERRUN, NOTICED),
    mutant("newest_before_oldest", "order", (SLOTS, "fn check("),
        &[("let oldest = oldest(control, capacity, start); let newest = tail(words, control, capacity);",
           "let newest = tail(words, control, capacity); let oldest = oldest(control, capacity, start);"),
          ("there as i64 >= 0 &&", "")], JOINS, NOTICED),
    mutant("what_is_being_written_is_published", "order", (WORDS, "fn was_committed("),
        &[("0 => found == word::ready(position),", "0 => found != word::free(position),")], DEAD, NOTICED),
    mutant("oldest_is_one_too_old", "order", (SLOTS, "fn oldest("),
        &[("frontier(control).wrapping_sub(capacity);", "frontier(control).wrapping_sub(capacity + 1);")], GATED, NOTICED),
    mutant("credit_does_not_outlast_a_dead_frontier", "order", (FRONTIER, "fn new("),
        &[("let told = control.tail.0.load(Relaxed);", "let told = next;")], DEAD_GATED,
        Fate::Survives("it is told once more, which is more than enough")),
    // Records.
    mutant("broadcast_publish_relaxed", "P1", (RECORDS, "fn publish("), RELEASE, RECORD, NOTICED),
    mutant("broadcast_next_not_cleared", "order", (RECORDS, "fn publish("),
        &[("words.at(next).store(0, Relaxed);", "")], RECORD, NOTICED),
    mutant("no_record_look_fence", "P1", (RECORDS, "fn look("),
        &[("let word = words.at(position).load(Relaxed); fence(Acquire);",
           "let word = words.at(position).load(Relaxed);")], RECORD, NOTICED),
    mutant("no_record_copy_fence", "B3", (RECORDS, "fn look("),
        &[("fence(Acquire); if self.is_overtaken(control)", "if self.is_overtaken(control)")], RECORD, NOTICED),
    mutant("no_look_at_the_frontier", "B3", (RECORDS, "fn is_overtaken("),
        &[("is_overtaken(frontier(control), self.at.position, self.shape)", "false")], RECORD, NOTICED),
    mutant("overtaken_by_a_ring_and_more", "order", (MARKS, "fn is_overtaken("),
        &[(">= shape.capacity.cast_signed()", "> shape.capacity.cast_signed()")], RECORD, NOTICED),
    mutant("overtaken_though_waited_for", "order", (RECORDS, "fn is_overtaken("),
        &[("&& !self.place.is_some_and(|i| frontier::is_gating(control, i))", "")], RECORD_GATED, NOTICED),
    mutant("broadcast_record_closed_relaxed", "X1", (RECORDS, "fn look("),
        &[("control.closed.0.load(Acquire)", "control.closed.0.load(crate::sync::Ordering::Relaxed)")], RECORD_CLOSE, EARLY),
    mutant("padding_counts_as_a_lie", "order", (RECORDS, "fn overtaken("),
        &[("lost <= i64::MAX as u64", "lost <= i64::MAX as u64 && lost > 0")], PADDING, CORRUPT),
    mutant("newest_mark_by_number", "order", (RECORDS, "impl Tail / fn resume("),
        &[("by_age(a, b)", "a.sequence.cmp(&b.sequence)")], PADDING,
        Fate::Survives("of two marks with one number it takes the one behind in the table; that is the older only where \
            the table begins anew between the two, and no model is so long")),
    mutant("the_newest_mark_alone", "order", (RECORDS, "fn skip_to_newest("),
        &[("ahead.chain([self.at])", "ahead.take(1).chain([self.at])")], LOAN, NOTICED),
    mutant("latest_is_not_checked", "B3", (RECORDS, "fn skip_to_newest("),
        &[("|| !is_intact(control, self.shape, from)", "")], RECORD_LATEST, NOTICED),
    mutant("a_walk_is_not_checked", "B3", (RECORDS, "impl Reader / fn new("),
        &[("if is_intact(control, shape, mark)", "if true")], RECORD_JOINS, NOTICED),
    mutant("a_search_is_not_checked", "B3", (RECORDS, "fn at("),
        &[("if !is_intact(control, shape, oldest) { continue; }", "")], NOWHERE, WRONG),
    mutant("no_step_fence", "P1", (MARKS, "fn step("), &[("fence(Acquire);", "")], RECORD_JOINS, NOTICED),
    mutant("no_walk_fence", "B3", (MARKS, "fn is_intact("), &[("fence(Acquire);", "")], RECORD_LATEST,
        Fate::Survives("each step of the walk has fenced after what it read")),
    mutant("mark_not_torn", "M1", (MARKS, "fn leave_mark("),
        &[("mark.position.store(TORN, Relaxed);", "")], MARK, NOTICED),
    mutant("no_mark_fence_of_a_broadcast", "M1", (MARKS, "fn leave_mark("), &[("fence(Release);", "")], MARK, NOTICED),
    mutant("mark_relaxed", "M1", (MARKS, "fn leave_mark("),
        &[("mark.position.store(point.position, Release)", "mark.position.store(point.position, Relaxed)")], RECORD, NOTICED),
    mutant("mark_read_relaxed", "M1", (MARKS, "fn mark("),
        &[("mark.position.load(Acquire)", "mark.position.load(Relaxed)")], RECORD, NOTICED),
    mutant("no_mark_read_fence", "M1", (MARKS, "fn mark("), &[("fence(Acquire);", "")], MARK, NOTICED),
    mutant("mark_is_not_read_twice", "M1", (MARKS, "fn mark("),
        &[("mark.position.load(Relaxed) == position", "position != TORN")], MARK, NOTICED),
    mutant("marks_before_the_frontier_alone", "order", (MARKS, "fn marks("),
        &[("let limit = frontier(control);", "let limit = before;")], RECORD,
        Fate::Survives("eight marks have to be left during one look at them, and no model is so long")),
    mutant("no_marks_fence", "B2", (MARKS, "fn marks("), &[("fence(Acquire);", "")], RECORD,
        Fate::Survives("only a mark that is being replaced shows what is behind the frontier, and no model leaves so many")),
    mutant("sequences_may_overflow", "order", (MARKS, "fn step("),
        &[("point.sequence.wrapping_add(u64::from(record::is_ready(word)))",
           "point.sequence + u64::from(record::is_ready(word))")], LIES, Fate::Caught("overflow")),
    mutant("record_credit_has_no_margin", "order", (RECORDS, "impl Tail / fn resume("),
        &[("shape.capacity, shape.align())", "shape.capacity, 0)")], RECORD_GATED, NOTICED),
    mutant("record_successor_starts_at_its_mark", "order", (RECORDS, "impl Tail / fn resume("),
        &[("let (_, at) = walk(words, shape, from);", "let at = from;")], RECORD_DEAD, NOTICED),
];
