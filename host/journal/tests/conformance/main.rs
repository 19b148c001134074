//! What every engine of the journal promises, and what only one of them does.
//!
//! Each test of the suite is written once, against the trait, and runs on each
//! engine that is named at the end of this file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at what it does not expect; clippy knows only `#[test]` functions"
)]

mod append;
mod attempts;
mod close;
mod embedded;
mod engine;
mod exceptions;
mod read;
mod retention;
mod settle;
mod state;
mod subscribe;
mod upgrade;

/// Runs the whole suite on an engine.
macro_rules! suite {
    ($name:ident, $engine:ty: $($module:ident { $($test:ident)* })*) => {
        mod $name {
            $(mod $module {
                $(#[tokio::test]
                async fn $test() {
                    crate::$module::$test(<$engine as crate::engine::Engine>::new()).await;
                })*
            })*
        }
    };
    // A property makes an engine for each case of its own.
    ($name:ident, $engine:ty, properties: $($module:ident { $($test:ident)* })*) => {
        mod $name {
            $(mod $module {
                $(#[test]
                fn $test() {
                    crate::$module::$test(<$engine as crate::engine::Engine>::new);
                })*
            })*
        }
    };
    ($name:ident, $engine:ty) => {
        suite! { $name, $engine:
            append {
                sequences_count_from_one_without_a_gap
                an_event_outlives_a_restart_as_it_was
                the_same_source_and_id_twice_is_one_event
                many_at_once_are_each_appended_once
                the_head_follows_the_newest_event
            }
            read {
                ends_at_its_bounds
                memory_and_disk_agree
                finds_by_sequence_and_by_id
                pages_through_the_newest
            }
            subscribe {
                begins_where_it_is_told_to
                goes_on_where_it_was
                a_cursor_never_goes_back
                knows_what_was_settled_out_of_order
                what_was_settled_out_of_order_is_runs_of_sequences
                lists_every_subscription
            }
            settle {
                publishes_with_the_outcome
                a_repeated_settlement_changes_nothing
                an_event_published_twice_is_one_event
                an_unknown_subscription_stores_nothing
            }
            state {
                is_written_with_the_outcome
                is_listed_in_the_order_of_its_keys
                a_conflict_stores_nothing_of_the_settlement
                an_absent_key_that_was_read_must_stay_absent
                a_key_that_went_and_came_back_is_another
                a_listing_conflicts_only_when_a_key_comes_or_goes
                an_attempt_that_was_settled_before_is_no_conflict
                of_two_that_conflict_the_first_wins
            }
            exceptions {
                a_delivery_waits_and_is_done
                a_dead_letter_is_driven_again
                due_leaves_out_what_is_excepted
                are_listed_by_handler_and_event
                all_dead_letters_of_a_handler_are_driven_again
            }
            retention {
                drops_what_is_older_than_its_age
                drops_attempts_with_their_event
                keeps_what_is_not_settled
                keeps_what_waits_or_is_dead
                a_handler_out_of_service_keeps_an_event_for_its_age_only
                an_attempt_of_what_was_dropped_leaves_its_effects_only
                drops_the_oldest_for_want_of_room
                for_want_of_room_waits_for_no_handler_out_of_service
                the_same_source_and_id_is_known_for_the_window
                what_is_full_takes_no_event_from_outside
                a_clock_that_was_put_back_holds_nothing_up
                a_chain_of_causes_may_lack_its_beginning
            }
            attempts {
                are_listed_by_event
                the_newest_come_first
            }
            close {
                what_is_asked_for_afterwards_is_refused
                a_drop_loses_nothing
            }
        }
    };
}

suite!(on_embedded, crate::embedded::EmbeddedEngine);
suite!(properties_of_embedded, crate::embedded::EmbeddedEngine, properties:
    state { no_increment_is_lost }
);
