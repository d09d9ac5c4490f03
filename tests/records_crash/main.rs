//! Rings of records between real processes: streams, `kill -9` at random moments and at labelled steps, and
//! what waiting costs.
//!
//! What is checked is the contract: whatever moment an endpoint dies at, the others go on within a tenth of a
//! second, nothing committed is lost, torn, invented or out of its producer's order, and at most the record in
//! a dead consumer's hands comes again.
//!
//! | variable | meaning | unless set |
//! |---|---|---|
//! | `ANNULUS_RECORDS` | records through the ring of four producers | 400,000 |
//! | `ANNULUS_KILLS` | random kills of producers among many in each place; half as many of each other sort | 60 |
//! | `ANNULUS_QUIET` | nobody else uses the processors: after every single kill the survivors go on within 100 ms | after nine of ten, and within a second after every one |
//! | `ANNULUS_SEED` | repeats the supervisor's choices, not the scheduler's | another each time |

#[path = "../common/mod.rs"]
mod common;

mod consumer_steps;
mod flow;
mod image;
mod instructions;
mod ledger;
mod parking;
mod payload;
mod places;
mod random_kills;
mod repair;
mod ring;
mod roles;
mod steps;

use annulus::{MpscRecords, SpscRecords};
use common::child;

#[test]
fn a_child_plays_the_role_it_was_given() {
    child::play(&[
        ("spsc send", flow::send::<SpscRecords>),
        ("mpsc send", flow::send::<MpscRecords>),
        ("spsc receive", flow::receive::<SpscRecords>),
        ("mpsc receive", flow::receive::<MpscRecords>),
        ("spsc host", flow::host::<SpscRecords>),
        ("mpsc host", flow::host::<MpscRecords>),
        ("spsc produce", roles::produce::<SpscRecords>),
        ("mpsc produce", roles::produce::<MpscRecords>),
        ("spsc consume", roles::consume::<SpscRecords>),
        ("mpsc consume", roles::consume::<MpscRecords>),
        ("spsc producer at", steps::producer_at::<SpscRecords>),
        ("mpsc producer at", steps::producer_at::<MpscRecords>),
        (
            "spsc consumer at",
            consumer_steps::consumer_at::<SpscRecords>,
        ),
        (
            "mpsc consumer at",
            consumer_steps::consumer_at::<MpscRecords>,
        ),
        ("cycle", places::cycle),
        ("crowd", repair::crowd),
        ("repair for ever", repair::repair_for_ever),
        ("wait for a record", parking::wait_for_a_record),
        ("wait for room", parking::wait_for_room),
    ]);
}
