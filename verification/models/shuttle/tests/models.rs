//! Each model under many schedules.

use shuttle_models::model::{
    block_on, cancel, foreign_task, frameless, grant_channel, lease, linger, link, loss, queue,
    renewal, shared_hold, sibling_mutex,
};

macro_rules! models {
    ($($part:ident: $($name:ident)*;)*) => {
        $($(
            #[test]
            fn $name() {
                $part::$name();
            }
        )*)*
    };
}

models! {
    queue:
        callers_take_turns
        a_vacant_queue_is_removed_and_created_again
        a_shutdown_ends_all_waits;
    cancel:
        a_grant_to_a_cancelled_caller_does_not_leak
        a_cancellation_races_with_the_grant;
    linger:
        an_idle_hold_is_reused_or_released;
    link:
        threads_are_answered_at_once
        many_threads_are_answered_at_once
        tasks_are_answered_at_once
        all_kinds_of_callers_are_answered_at_once
        a_reader_that_is_dropped_passes_the_role_on
        a_reader_that_stalls_delays_nobody
        a_pushed_grant_is_read_at_once
        a_lost_connection_ends_no_wait
        effects_happen_in_order
        a_panic_ends_all_waits
        a_fork_sends_nothing
        an_exit_leaves_nothing_unsent;
    renewal:
        a_release_races_with_renewals_and_losses
        a_confirmed_release_races_with_losses;
    lease:
        a_released_hold_is_not_lost_later
        the_last_reference_releases_the_hold
        a_loss_wakes_every_watcher
        a_loss_is_never_missed;
    sibling_mutex:
        siblings_take_turns
        siblings_outlive_the_enclosing_section;
    frameless:
        sections_without_a_frame_take_turns
        a_section_gets_its_frame_once
        a_section_outlasts_the_poll_that_it_began_in;
    shared_hold:
        a_release_waits_for_the_last_sharer;
    foreign_task:
        a_task_on_the_holders_stack_waits_in_the_queue;
    loss:
        a_waiting_body_ends_when_its_hold_is_lost;
    block_on:
        a_blocked_thread_is_woken_by_the_answer
        a_thread_that_stays_awake_is_woken_by_the_answer;
    grant_channel:
        a_sent_answer_is_received
        dropping_the_sender_wakes_the_receiver
        an_answer_to_a_closing_receiver_is_returned_or_dropped;
}
