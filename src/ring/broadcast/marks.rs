//! Where records of a broadcast begin.
//!
//! A reader that begins, or was overtaken, does not know where records begin. So with each new frontier the producer
//! leaves a mark: the position of its next record, and how many came before. From a mark on one goes from header to
//! header; what was read so is good if the mark was not overtaken, as seen afterwards.
//!
//! Invariant: the newest mark that is whole was not overtaken, as long as the frontier stands still.

use super::super::words::Words;
use super::Place;
use super::frontier::frontier;
use crate::layout::control::{Control, MARKS};
use crate::layout::record::{self, Shape};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::fence;

/// Position of a mark that is being written: no record begins there.
const TORN: u64 = u64::MAX;

/// How often something is looked at again that the producer has overwritten meanwhile. Each time it has written the
/// better part of a ring, which with the smallest rings takes half a microsecond.
pub(super) const TRIES: usize = 4096;

/// Where a record begins, and how many came before it since creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) position: u64,
    pub(super) sequence: u64,
}

/// Leaves the mark `point`, the `n`th.
pub(super) fn leave_mark(control: &Control, n: u64, point: Point) {
    let mark = &control.marks.0[n as usize % MARKS];
    // Relaxed, both: ordered by the fence and the last store.
    mark.position.store(TORN, Relaxed);
    // Release M1: whoever sees the new number, and then looks again, finds no old position.
    fence(Release);
    mark.sequence.store(point.sequence, Relaxed);
    // Release M1: whoever sees the position sees the number.
    mark.position.store(point.position, Release);
}

/// Mark `i`, if it can be read.
pub(super) fn mark(control: &Control, i: usize, shape: Shape) -> Option<Point> {
    let mark = &control.marks.0[i];
    // Acquire M1: pairs with the last Release in `leave_mark`.
    let position = mark.position.load(Acquire);
    // Relaxed: ordered by the fences on both sides.
    let sequence = mark.sequence.load(Relaxed);
    // Acquire M1: pairs with the fence in `leave_mark`.
    fence(Acquire);
    // Relaxed: as above.
    let same = mark.position.load(Relaxed) == position;
    (same && shape.is_aligned(position)).then_some(Point { position, sequence })
}

/// Whether what begins at `position` may have been overwritten by a producer whose frontier is `limit`. At the
/// frontier itself it may have cleared the place of a header.
#[inline(always)]
pub(super) fn is_overtaken(limit: u64, position: u64, shape: Shape) -> bool {
    limit.wrapping_sub(position) as i64 >= shape.capacity.cast_signed()
}

/// Whether what was read until now at `point` and behind it was not overwritten.
pub(super) fn is_intact(control: &Control, shape: Shape, point: Point) -> bool {
    // Acquire B3: pairs with the fence in `Credit::refill`: if anything was read that was written with a later
    // frontier, that is seen below.
    fence(Acquire);
    !is_overtaken(frontier(control), point.position, shape)
}

/// The marks that are good to begin at. None only if a peer lies.
pub(super) fn marks(control: &Control, shape: Shape) -> [Option<Point>; MARKS] {
    for _ in 0..TRIES {
        let before = frontier(control);
        let found: [_; MARKS] = core::array::from_fn(|i| mark(control, i, shape));
        // Acquire B2: pairs with the Release in `Credit::refill`: who has seen a mark sees the frontier before it, so
        // no mark is ahead of this one.
        fence(Acquire);
        let limit = frontier(control);
        let is_good = |point: &Point| {
            let below = limit.wrapping_sub(point.position) as i64;
            below >= 0 && !is_overtaken(limit, point.position, shape)
        };
        let good = found.map(|point| point.filter(is_good));
        // While the frontier stands still there is one.
        if limit == before || good.iter().any(Option::is_some) {
            return good;
        }
    }
    [None; MARKS]
}

/// Which of two marks is the older. Positions may wrap.
pub(super) fn by_age(a: &Point, b: &Point) -> core::cmp::Ordering {
    (a.position.wrapping_sub(b.position) as i64).cmp(&0)
}

/// The mark nearest to `place`.
pub(super) fn nearest(control: &Control, shape: Shape, place: Place) -> Option<Point> {
    let marks = marks(control, shape).into_iter().flatten();
    match place {
        Place::Oldest => marks.min_by(by_age),
        Place::Newest => marks.max_by(by_age),
    }
}

/// One step from header to header. `None` where there is none. Good only if `point` was not overtaken, as seen
/// afterwards.
pub(super) fn step(words: &impl Words, shape: Shape, point: Point) -> Option<Point> {
    // Relaxed: ordered by the fence.
    let word = words.at(point.position).load(Relaxed);
    // Acquire P1: pairs with the Release in `Tail::publish`: the place behind it is seen cleared, or later.
    fence(Acquire);
    let total = shape.total(record::len(word));
    if !record::is_header(word) || total > shape.room(point.position) {
        return None;
    }
    Some(Point {
        position: point.position.wrapping_add(total),
        sequence: point
            .sequence
            .wrapping_add(u64::from(record::is_ready(word))),
    })
}

/// Walks from `from` to the last header, at most a ring. Gives the last record on the way and the place behind it.
pub(super) fn walk(words: &impl Words, shape: Shape, from: Point) -> (Option<Point>, Point) {
    let (mut last, mut at) = (None, from);
    while at.position.wrapping_sub(from.position) < shape.capacity {
        let Some(next) = step(words, shape, at) else {
            break;
        };
        if next.sequence != at.sequence {
            last = Some(at);
        }
        at = next;
    }
    (last, at)
}
