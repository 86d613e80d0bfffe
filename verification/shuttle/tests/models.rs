//! Each model under many schedules.

use shuttle_models::model::{
    cancel, chain, lease, line, linger, loss, renewal, seat, stranger, turn, wait,
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
    line: callers_take_turns queues_are_forgotten_and_made_anew a_shutdown_ends_all_waits;
    cancel: a_hold_for_one_that_has_gone_is_not_lost a_cancelled_request_meets_its_grant;
    linger: an_idle_hold_is_entered_or_ended;
    renewal: a_release_meets_renewals_and_losses a_confirmed_release_meets_losses;
    lease: a_released_hold_is_not_lost_later the_last_share_ends_the_hold
        a_loss_reaches_all_who_watch a_loss_is_never_missed;
    turn: siblings_take_turns siblings_outlive_the_section_around_them;
    chain: a_release_waits_for_the_last_sharer;
    stranger: a_task_on_a_holder_s_stack_waits_in_line;
    loss: a_body_that_waits_ends_with_its_hold;
    wait: a_plain_thread_is_woken_by_its_answer a_thread_that_sleeps_late_is_woken_too;
    seat: an_answer_reaches_its_seat no_answer_reaches_its_seat a_bell_loses_no_answer
        an_answer_to_a_seat_that_closes_is_gone_once;
}
