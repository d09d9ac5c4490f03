//! A good ring with many participants; then lies in its table, comings, goings and deaths, as the input lists them: what
//! newcomers make of entries, consumers of what the dead had claimed, producers of readers.
//!
//! Input: see `play`. Lies go to the participant table above all.

use crate::ends::{Broadcasts, Mpmcs, Mpscs, RecordBroadcasts, RecordQueues, Spmcs};
use crate::play::{Shape, play};

/// One input. Its ring can be opened, if it has one.
pub fn run(input: &[u8]) -> usize {
    let Some((shape, steps)) = Shape::of(input) else {
        return 0;
    };
    match shape.kind % 6 {
        0 => play::<Mpscs>(shape, steps, true),
        1 => play::<Spmcs>(shape, steps, true),
        2 => play::<Mpmcs>(shape, steps, true),
        3 => play::<Broadcasts>(shape, steps, true),
        4 => play::<RecordBroadcasts>(shape, steps, true),
        _ => play::<RecordQueues>(shape, steps, true),
    }
    1
}
