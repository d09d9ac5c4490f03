//! Rings that many share, and broadcasts, between real processes: more of them than there are cores, some of them
//! stopped, some of them killed.
//!
//! What is checked is the contract: every message is accounted for by its producer and its number, whatever moment
//! anybody dies at; nothing is lost, doubled, torn, invented or out of its producer's order, but for what was in the
//! hands of a consumer that died, which comes again and says so; a lossy reader is told exactly what it lost.
//!
//! | variable | meaning | unless set |
//! |---|---|---|
//! | `ANNULUS_MESSAGES` | messages through each ring of the large streams | 1,000,000, or as many as half a second allows |
//! | `ANNULUS_KILLS` | random kills in rings of each kind | 30 |
//! | `ANNULUS_SEED` | repeats the supervisor's choices, not the scheduler's | another each time |

#[path = "../common/mod.rs"]
mod common;

mod broadcast;
mod broadcast_kills;
mod ends;
mod flow;
mod ledger;
mod places;
mod random_kills;
mod readers;
mod repair;
mod restarts;
mod roles;
mod steps;
mod stops;

use annulus::{Broadcast, BroadcastRecords, Mpmc, Mpsc, MpscRecords, Spmc};
use common::{cast, child, kinds, payload};
use payload::Note;

#[test]
fn a_child_plays_the_role_it_was_given() {
    child::play(&[
        ("mpsc send", flow::send::<Mpsc<Note>>),
        ("spmc send", flow::send::<Spmc<Note>>),
        ("mpmc send", flow::send::<Mpmc<Note>>),
        ("mpsc receive", flow::receive::<Mpsc<Note>>),
        ("spmc receive", flow::receive::<Spmc<Note>>),
        ("mpmc receive", flow::receive::<Mpmc<Note>>),
        ("mpsc producer at", ends::producer_at::<Mpsc<Note>>),
        ("spmc producer at", ends::producer_at::<Spmc<Note>>),
        ("mpmc producer at", ends::producer_at::<Mpmc<Note>>),
        ("mpsc consumer at", ends::consumer_at::<Mpsc<Note>>),
        ("spmc consumer at", ends::consumer_at::<Spmc<Note>>),
        ("mpmc consumer at", ends::consumer_at::<Mpmc<Note>>),
        ("mpsc produce", roles::produce::<Mpsc<Note>>),
        ("spmc produce", roles::produce::<Spmc<Note>>),
        ("mpmc produce", roles::produce::<Mpmc<Note>>),
        ("mpsc consume", roles::consume::<Mpsc<Note>>),
        ("spmc consume", roles::consume::<Spmc<Note>>),
        ("mpmc consume", roles::consume::<Mpmc<Note>>),
        (
            "slots publish for ever",
            broadcast_kills::publish::<Broadcast<Note>>,
        ),
        (
            "records publish for ever",
            broadcast_kills::publish::<BroadcastRecords>,
        ),
        (
            "slots read for ever",
            broadcast_kills::read::<Broadcast<Note>>,
        ),
        (
            "records read for ever",
            broadcast_kills::read::<BroadcastRecords>,
        ),
        ("repair for ever", repair::repair_for_ever),
        ("mpsc restarts", restarts::host::<Mpsc<Note>>),
        ("mpmc restarts", restarts::host::<Mpmc<Note>>),
        ("mpsc_records restarts", restarts::host::<MpscRecords>),
        ("mpsc cycle", places::cycle::<Mpsc<Note>>),
        ("spmc cycle", places::cycle::<Spmc<Note>>),
        ("mpmc cycle", places::cycle::<Mpmc<Note>>),
        (
            "slots publisher at",
            readers::publisher_at::<Broadcast<Note>>,
        ),
        (
            "records publisher at",
            readers::publisher_at::<BroadcastRecords>,
        ),
        ("slots reader at", readers::reader_at::<Broadcast<Note>>),
        ("records reader at", readers::reader_at::<BroadcastRecords>),
        ("slots publish", broadcast::publish::<Broadcast<Note>>),
        ("records publish", broadcast::publish::<BroadcastRecords>),
        ("slots read", broadcast::read::<Broadcast<Note>>),
        ("records read", broadcast::read::<BroadcastRecords>),
    ]);
}

#[test]
fn a_message_with_anything_changed_is_not_whole() {
    use payload::{Id, LONGEST};
    use zerocopy::IntoBytes;
    let id = Id {
        who: 3,
        life: 7,
        number: 12345,
    };
    let mut record = id.record(&mut [0; LONGEST]).to_vec();
    let mut note = Note::new(id);
    assert_eq!((note.id(), Id::of_record(&record)), (Some(id), Some(id)));
    for k in 0..size_of::<Note>() / 8 {
        note.as_mut_bytes()[8 * k] ^= 0x10;
        assert_eq!(note.id(), None);
        note.as_mut_bytes()[8 * k] ^= 0x10;
    }
    for i in 0..record.len() {
        record[i] ^= 0x10;
        assert_eq!(Id::of_record(&record), None);
        record[i] ^= 0x10;
    }
    assert_eq!(Id::of_record(&record[1..]), None);
}
