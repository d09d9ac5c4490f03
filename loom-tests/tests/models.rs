//! Runs every model of `src/models`. A failing model prints loom's reason and ends with a panic.
//!
//! Each runs in a process of its own (this test binary, asked for one model). Loom maps a stack for every thread of every
//! execution, and in one process such models wait for each other in the kernel: two at a time were no quicker than one.
//!
//! `LOOM_LOG=trace` and `LOOM_LOCATION=1` in the environment show the failing execution step by step.

use std::process::Command;

/// Set in a process that is to run its model itself.
const ALONE: &str = "ANNULUS_MODEL";

/// Runs `model`, whose test is called `name`, in a process of its own.
fn alone(name: &str, model: fn()) {
    if std::env::var_os(ALONE).is_some() {
        return model();
    }
    let child = Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("the test binary can run itself");
    let (said, why) = (
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr),
    );
    println!("{said}\n{why}");
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{name} fails"
    );
}

/// One test for each model, under the model's own name.
macro_rules! models {
    ($($file:ident { $($model:ident)* })*) => {
        $(mod $file {
            $(#[test]
            fn $model() {
                let name = concat!(stringify!($file), "::", stringify!($model));
                super::alone(name, annulus_loom::models::$file::$model);
            })*
        })*
    };
}

models! {
    publish {
        a_message_that_is_seen_is_whole
        the_fast_look_alone_sees_whole_messages
        a_take_alone_sees_whole_messages
        a_look_passes_over_a_slot_that_was_given_up
        messages_come_in_order_through_a_ring_that_laps
    }
    full {
        the_gate_hands_back_only_what_was_read
        a_slot_hands_itself_back_only_when_it_was_read
        a_producer_ahead_of_the_gate_stays_in_order
        the_slots_are_asked_while_the_gate_lags
    }
    wrap {
        a_ring_works_across_every_wrap
        successors_find_their_place_across_every_wrap
    }
    close {
        nothing_committed_before_the_close_is_missed
        the_closed_question_comes_before_the_last_look
        a_drain_ends_at_the_close_with_everything
        a_producer_learns_of_the_close_one_message_late_at_most
        a_loan_outlives_the_consumers_close
        a_sample_outlives_the_producers_close
    }
    park {
        a_consumer_asleep_on_a_futex_is_woken
        a_consumer_asleep_on_a_semaphore_is_woken
        a_producer_asleep_on_a_futex_is_woken
        a_producer_asleep_on_a_semaphore_is_woken
        a_producer_asleep_behind_a_lagging_gate_is_woken
        a_close_wakes_whoever_sleeps
        both_sides_may_sleep
        the_word_of_a_dead_sleeper_heals
    }
    header {
        an_attacher_that_sees_the_ready_word_sees_the_ring
        an_onlooker_that_sees_a_seat_taken_sees_by_whom
    }
    crash {
        a_producer_killed_at_any_step_loses_only_what_it_had_not_committed
        a_killed_producer_that_asked_the_slots_is_succeeded
        a_sleeper_outlives_the_death_of_its_waker
        a_consumer_killed_at_any_step_loses_nothing
        a_consumer_killed_behind_a_producer_that_asks_the_slots_loses_nothing
        a_successor_may_die_as_well
    }
    batch {
        a_run_is_drained_in_order_with_one_gate
        the_gate_of_a_drain_wakes_the_producer
    }
    skip {
        a_consumer_killed_while_it_passes_given_up_slots_is_succeeded
        a_producer_follows_a_consumer_past_given_up_slots
    }
    lies {
        a_lying_gate_buys_no_more_than_the_ring
        a_lying_word_is_reported_with_its_position
        a_ring_of_given_up_slots_is_passed_once
        successors_survive_any_word
    }
    records_publish {
        a_record_that_is_seen_is_whole
        the_fast_look_alone_sees_whole_records
        records_of_any_length_come_in_order
        bytes_of_a_loan_that_was_given_up_are_no_records
        no_record_committed_before_the_close_is_missed
    }
    records_full {
        the_gate_hands_back_only_records_that_were_read
        the_head_hands_back_only_records_that_were_read
        bytes_that_were_read_are_the_consumers_until_it_gives_them_back
        the_head_is_asked_while_the_gate_lags
        a_producer_ahead_of_the_gate_keeps_its_records_in_order
    }
    records_wrap {
        records_cross_every_wrap
        successors_find_their_place_among_records
    }
    records_crash {
        a_producer_of_records_killed_anywhere_loses_only_what_it_had_not_committed
        a_producer_killed_while_it_pads_is_succeeded
        a_consumer_of_records_killed_anywhere_loses_nothing
        a_consumer_killed_at_padding_is_succeeded
    }
    mpsc_claim {
        two_producers_share_a_ring
        runs_and_loans_come_in_order
        the_gate_hands_back_only_what_was_wiped
        the_head_hands_back_only_what_was_wiped
    }
    mpsc_repair {
        a_producer_killed_anywhere_loses_only_what_it_had_not_committed
        a_producer_killed_at_the_end_of_the_ring_is_cleared_up_behind
        a_run_whose_producer_dies_is_cleared_up_behind_what_was_committed
        a_loan_whose_producer_dies_leaves_no_bytes_behind
        the_living_go_on_behind_the_dead
        an_announcement_is_read_while_it_changes
        of_two_dead_that_announced_one_position_the_winner_is_found
        a_dead_claim_ends_where_the_next_begins
        a_dead_loser_that_announced_less_changes_nothing
        a_producer_that_waits_for_room_is_not_waited_for
        a_repairer_may_die_as_well
    }
    mpsc_walk {
        what_the_dead_have_claimed_becomes_padding_while_nobody_consumes
        the_place_of_a_dead_producer_is_taken_when_the_walk_has_come_past_it
        whoever_walks_may_die_as_well
    }
    mpsc_wipe {
        a_consumer_killed_while_it_wipes_is_succeeded
    }
    mpsc_settle {
        the_place_of_a_dead_producer_is_taken_when_nothing_hangs_on_it
    }
    mpsc_close {
        no_claim_comes_after_the_close
        a_loan_of_one_of_many_outlives_the_close
        nothing_committed_before_a_shared_close_is_missed
        no_claim_comes_after_the_consumers_close
        a_producer_may_die_closing
    }
    mpsc_park {
        producers_asleep_on_one_word_are_all_woken
        a_close_wakes_all_producers
        a_consumer_asleep_is_woken_by_either_producer
    }
    records_lies {
        a_lying_header_is_reported_or_stays_inside
        a_ring_of_padding_is_passed_once
        lying_positions_buy_nothing_outside
        a_repair_of_lies_stays_inside
    }
    records_observe {
        a_mark_of_the_lap_before_is_no_record
        an_onlooker_that_is_lapped_goes_forward
        payload_over_a_header_is_no_record_to_an_onlooker
        a_payload_that_was_written_over_is_no_record_to_an_onlooker
        an_onlooker_knows_where_the_consumer_was_when_it_was_lapped
        an_onlooker_is_told_the_end_behind_the_last_record
    }
    shared {
        two_producers_share_the_slots
        runs_and_tombstones_come_in_order
        a_full_ring_refuses
        a_slot_is_claimed_only_when_it_was_released
        a_refusal_is_not_taken_for_a_lie
        each_message_goes_to_one_consumer
        producers_and_consumers_share_a_ring
        no_slot_is_claimed_after_the_close
        the_only_consumer_is_told_the_end_behind_the_last_slot
        a_consumer_closes_for_all
    }
    shared_alone {
        the_only_producer_waits_for_each_slot
        the_only_producer_writes_only_what_was_released
        the_only_producer_is_succeeded
        consumers_of_one_producer_are_told_the_end
    }
    shared_repair {
        a_dead_producers_slot_becomes_a_tombstone
        a_dead_producers_run_becomes_tombstones
        the_living_push_on_behind_the_dead
        of_two_dead_that_announced_one_slot_nothing_is_left
        a_producer_that_was_refused_is_not_waited_for
        a_stale_announcement_delays_and_no_more
        a_tombstone_may_be_another_ones
        the_place_of_a_dead_producer_is_taken_when_its_slots_are_settled
        two_consumers_may_meet_one_hole
        whoever_makes_tombstones_may_die_as_well
    }
    shared_orphans {
        what_a_dead_consumer_had_in_hand_comes_again
        whoever_takes_over_may_die_as_well
        an_orphan_goes_to_one_of_two
        a_living_consumers_stale_announcement_delays_and_no_more
        what_a_living_one_has_finished_is_no_orphan
        what_a_loser_has_finished_is_no_orphan
        a_place_may_be_inherited_with_what_hangs_on_it
        a_slot_in_dead_hands_comes_back
    }
    shared_drop {
        what_a_dead_consumer_had_in_hand_is_dropped_and_counted
        whoever_drops_may_die_as_well
        two_who_drop_count_each_message_once
        nothing_is_dropped_that_a_living_one_has_in_hand
    }
    shared_gate {
        the_gate_promises_only_what_was_released
        the_gate_waits_for_the_oldest_in_hand
        what_was_seen_ahead_is_free_to_claim
        what_is_taken_over_is_not_promised
        what_is_inherited_is_not_promised
        nothing_is_taken_over_from_behind_what_waits
        what_is_claimed_later_is_not_inherited
        what_is_finished_does_not_hold_the_gate
    }
    shared_lies {
        a_lying_gate_promises_no_more_than_a_ring
        a_lying_word_is_reported_or_ignored_by_all_who_share
        lying_positions_lead_nowhere
        a_lying_announcement_delays_at_most
    }
    broadcast_slots {
        a_reader_that_is_overrun_is_told_the_number
        the_latest_message_is_whole_and_new
        a_reader_joins_a_running_producer
        a_reader_that_is_waited_for_loses_nothing
        the_producer_waits_for_the_slowest
        nothing_published_before_the_close_is_missed_by_a_reader
        a_dead_producer_of_a_broadcast_is_succeeded
        a_successor_waits_for_readers_too
        a_frontier_that_a_dead_producer_told_counts
    }
    broadcast_records {
        a_reader_of_records_that_is_overrun_is_told_the_number
        the_latest_record_is_whole_and_new
        a_reader_joins_a_running_producer_of_records
        a_reader_joins_at_a_record_it_knows
        a_reader_of_records_that_is_waited_for_loses_nothing
        a_reader_that_is_waited_for_no_longer_is_told
        a_dead_producer_of_broadcast_records_is_succeeded
        a_successor_of_records_waits_for_readers_too
        no_record_published_before_the_close_is_missed
        padding_that_is_overwritten_is_no_loss
        the_latest_record_may_lie_before_the_newest_mark
        a_reader_does_not_join_where_no_record_begins
        a_mark_is_read_whole
    }
    broadcast_lies {
        lying_words_of_a_broadcast_lead_nowhere
        lying_words_of_broadcast_records_lead_nowhere
    }
}
