//! Words that no honest peer stores, in broadcasts: readers and producers report them or find nothing, and neither panic
//! nor go on for ever. One thread each.

use crate::rig::exhaustive;
use crate::rig_broadcast::Rig;
use crate::ring::broadcast::{Place, records, slots};
use crate::ring::words::Words;
use crate::sync::Ordering::Relaxed;
use std::sync::Arc;

/// Lies near and far.
fn lies() -> impl Iterator<Item = u64> + Clone {
    let far = [1 << 32, 1 << 62, 1 << 63, u64::MAX, u64::MAX - 7];
    (0..48).chain(far)
}

fn slots_try(rig: &Arc<Rig>) {
    let (cells, control) = (&rig.cells, &rig.control);
    for place in [Place::Oldest, Place::Newest] {
        let mut reader = slots::Reader::new(rig.position_of(place), 4, rig.start);
        for _ in 0..6 {
            let _ = reader.skip_to_newest(cells, control);
            let _ = reader.take(cells, |_| ());
            let _ = reader.look(cells, control, place);
            let _ = (reader.lag(cells, control), reader.is_due());
        }
    }
    let _ = (rig.check(5), rig.check(u64::MAX));
    let mut tail = slots::Tail::resume(cells, control, 4);
    for _ in 0..5 {
        if tail.credit() == 0 {
            let _ = tail.refill(control, &**rig, 1);
        }
        assert!(tail.credit() <= 4);
        if tail.credit() > 0 {
            tail.put(cells, |_| ());
        }
    }
}

/// Any frontier, any word, any cursor of a reader that seems to be waited for.
pub fn lying_words_of_a_broadcast_lead_nowhere() {
    for lie in lies() {
        exhaustive(move || {
            for what in 0..4 {
                let rig = Rig::slots(4, 5, 2);
                let mut producer = rig.producer();
                producer.push_up_to(3);
                // Relaxed, all: one thread.
                match what {
                    0 => rig.control.tail.0.store(lie, Relaxed),
                    1 => rig.cells.at(6).store(lie, Relaxed),
                    2 => rig.cells.at(8).store(lie, Relaxed),
                    _ => {
                        rig.control.gating.0[0].store(u64::MAX, Relaxed);
                        rig.readers.line(1).announce.store(lie, Relaxed);
                    }
                }
                producer.push_up_to(2);
                slots_try(&rig);
            }
        });
    }
}

fn records_try(rig: &Arc<Rig>) {
    let (cells, control, shape) = (&rig.cells, &rig.control, rig.shape());
    for place in [Place::Oldest, Place::Newest] {
        if let Some(mut reader) = records::Reader::new(cells, control, shape, place) {
            for _ in 0..4 {
                let _ = reader.skip_to_newest(cells, control);
                let mut copied = 0;
                let _ = reader.look(cells, control, place, |position, len| {
                    assert!(u64::from(len) <= shape.room(position), "outside");
                    copied += 1;
                });
                assert!(copied <= 6);
                let _ = (reader.lag_bytes(cells, control), reader.is_due());
            }
        }
    }
    for at in [0, 8, 40, 1 << 63] {
        let _ = records::Reader::at(cells, control, shape, at);
    }
    if let Ok(mut tail) = records::Tail::resume(cells, control, shape) {
        for _ in 0..4 {
            if !tail.has_room(16) {
                let _ = tail.make_room(cells, control, &**rig, 16);
            }
            if tail.has_room(16) {
                tail.commit(cells, shape.record(8, 7));
            }
        }
    }
}

/// Any frontier, mark, header or cursor.
pub fn lying_words_of_broadcast_records_lead_nowhere() {
    for lie in lies() {
        exhaustive(move || {
            for what in 0..6 {
                let rig = Rig::records(32, 0, 2);
                let mut producer = rig.record_producer();
                producer.push_all(&[0, 8]);
                // Relaxed, all: one thread.
                match what {
                    0 => rig.control.tail.0.store(lie, Relaxed),
                    1 => rig.cells.at(8).store(lie, Relaxed),
                    2 => rig.cells.at(24).store(lie, Relaxed),
                    3 => {
                        for mark in &rig.control.marks.0 {
                            mark.position.store(lie, Relaxed);
                        }
                    }
                    4 => {
                        for mark in &rig.control.marks.0 {
                            mark.sequence.store(lie, Relaxed);
                        }
                    }
                    _ => {
                        rig.control.gating.0[0].store(u64::MAX, Relaxed);
                        rig.readers.line(1).announce.store(lie, Relaxed);
                    }
                }
                records_try(&rig);
                producer.push_all(&[0, 8]);
                records_try(&rig);
            }
        });
    }
}
