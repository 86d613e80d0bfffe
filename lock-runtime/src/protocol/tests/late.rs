//! What arrives so late that it says less than it seems to.

use super::*;

#[test]
fn a_push_of_before_the_request_was_asked_anew_is_confirmed_before_it_is_shown() {
    let mut machine = queued();
    machine.tick(at(1.7));
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.7), id, Ok(Reply::Renewed(vec![RenewalReply::Ask])));
    let (id, _) = sent(&mut machine);
    machine.reply(at(1.7), id, Err(CallError::NotNow("LOADING".to_owned())));
    // The process stands still. What it waits for is pushed to it, and goes to another when nobody takes it up.
    machine.tick(at(9.0));
    let (_, call) = sent(&mut machine);
    assert!(matches!(call, Call::Acquire(_)), "{call:?}");
    machine.notice(at(9.0), pushed(11));
    let (_, call) = sent(&mut machine);
    assert!(matches!(call, Call::Acquire(_)), "asked for once more: {call:?}");
}

#[test]
fn a_loss_of_data_is_waited_out_for_as_long_as_a_pushed_grant_may_be_valid() {
    let short = Duration::from_millis(100);
    let mut machine = Machine::new(at(0.0), Timing::default(), "inbox".to_owned(), short);
    machine.connected(at(0.0));
    machine.request(at(1.0), Request { ttl: short, ..request(1) });
    let (_, call) = sent(&mut machine);
    let Call::Acquire(acquire) = call else { panic!("{call:?}") };
    assert!(acquire.give.quarantine >= WAITER_LEASE, "{:?}", acquire.give.quarantine);
}
