//! Deadlines, takeover, order, leftovers, and histories that make no sense.

mod common;

use checker::{Property, Rules};
use common::{History, rules};

#[test]
fn an_acquire_that_ends_too_late_is_found() {
    let refused = |at| History::new().asks_until(0, 101, Some(20)).refused(at, 101);
    refused(31).breaks(Property::Deadline);
    assert_eq!(refused(30).passes().refusals, 1);
    let entered =
        |at| History::new().asks_until(0, 101, Some(20)).enters(at, 101, 7).leaves(at, 101);
    entered(31).breaks(Property::Deadline);
    entered(30).passes();
    let cancelled = |at| History::new().asks_until(0, 101, Some(20)).cancelled(at, 101);
    cancelled(31).breaks(Property::Deadline);
    assert_eq!(cancelled(30).passes().cancelled, 1);
}

#[test]
fn an_acquire_that_never_ends_is_found() {
    History::new().asks_until(0, 101, Some(20)).breaks(Property::Deadline);
    History::new().asks_until(0, 101, None).breaks(Property::Deadline);
    History::new().asks_until(0, 101, None).crashed(10, 1).passes();
    History::new().asks_until(0, 101, None).paused(10, 1).passes();
}

#[test]
fn a_deadline_waits_for_a_process_that_stands_still() {
    let refused = |pause, at| {
        History::new()
            .asks_until(0, 101, Some(20))
            .paused(pause, 1)
            .resumed(100, 1)
            .refused(at, 101)
    };
    refused(30, 110).passes();
    refused(30, 111).breaks(Property::Deadline);
    refused(31, 110).breaks(Property::Deadline);
}

#[test]
fn pauses_in_a_row_excuse_as_one() {
    let refused = |again, at| {
        History::new()
            .asks_until(0, 101, Some(20))
            .paused(25, 1)
            .resumed(100, 1)
            .paused(again, 1)
            .resumed(200, 1)
            .refused(at, 101)
    };
    refused(110, 210).passes();
    refused(111, 210).breaks(Property::Deadline);
}

#[test]
fn a_lock_that_was_sure_and_was_not_had_is_found() {
    History::new().asks_surely(0, 101).refused(10, 101).breaks(Property::Surely);
    History::new().asks_surely(0, 101).enters(10, 101, 7).leaves(20, 101).passes();
    History::new().asks_surely(0, 101).paused(5, 1).resumed(8, 1).refused(10, 101).passes();
}

fn vacant(entered: u64) -> History {
    History::new()
        .asks(0, 101)
        .enters(0, 101, 7)
        .asks(20, 202)
        .leaves(100, 101)
        .enters(entered, 202, 8)
        .leaves(300, 202)
}

#[test]
fn a_key_that_nobody_takes_over_is_found() {
    vacant(161).breaks(Property::Takeover);
    vacant(160).passes();
}

#[test]
fn takeover_counts_from_the_last_fault() {
    vacant(161).fault(101).passes();
    vacant(211).fault(150).breaks(Property::Takeover);
    vacant(210).fault(150).passes();
}

#[test]
fn takeover_counts_from_the_crash_of_the_holder() {
    let second = |at| {
        History::new()
            .asks(0, 101)
            .enters(0, 101, 7)
            .asks(20, 202)
            .crashed(100, 1)
            .enters(at, 202, 8)
            .leaves(300, 202)
    };
    second(161).breaks(Property::Takeover);
    second(160).passes();
}

#[test]
fn takeover_counts_from_the_request_where_that_is_later() {
    let second = |at| {
        let first = History::new().section(0, 10, 101, 7);
        first.asks(100, 202).enters(at, 202, 8).leaves(300, 202)
    };
    second(161).breaks(Property::Takeover);
    second(160).passes();
}

#[test]
fn a_waiter_that_stands_still_or_crashed_takes_nothing_over() {
    let waiter = || History::new().section(0, 10, 101, 7).asks(5, 202);
    waiter().paused(20, 2).section(400, 410, 303, 8).passes();
    waiter().crashed(20, 2).section(400, 410, 303, 8).passes();
    waiter().fault(20).section(400, 410, 303, 8).refused(420, 202).breaks(Property::Takeover);
}

#[test]
fn a_key_that_nobody_waits_for_may_stay_vacant() {
    History::new().section(0, 10, 101, 7).section(500, 510, 202, 8).passes();
    History::new().section(0, 10, 101, 7).asks(400, 202).cancelled(460, 202).passes();
}

/// Request 101 waits while later ones enter; it may be passed over twice.
fn passed(times: u64, queued: u64) -> History {
    let first = History::new().asks(0, 201).enters(0, 201, 1).asks(1, 101).queued(queued, 101);
    let passing = (0..times).fold(first.leaves(10, 201), |history, n| {
        history.section(10 * n + 10, 10 * n + 20, 202 + n, n + 2)
    });
    passing.enters(10 * times + 10, 101, 100).leaves(500, 101)
}

#[test]
fn a_waiter_that_is_passed_over_too_often_is_found() {
    passed(3, 2).breaks(Property::PassedOver);
    passed(2, 2).passes();
}

#[test]
fn only_requests_made_after_a_waiter_was_queued_pass_over_it() {
    passed(3, 10).passes();
    passed(4, 10).breaks(Property::PassedOver);
}

#[test]
fn a_waiter_that_stood_still_may_be_passed_over() {
    passed(3, 2).paused(15, 1).resumed(16, 1).passes();
    passed(3, 2).passes_under(&Rules { passed_over: None, ..rules() });
}

#[test]
fn what_is_left_over_is_found() {
    History::new().leftover(1).breaks(Property::Leftover);
    History::new().leftover(0).passes();
}

#[test]
fn events_that_make_no_sense_are_found() {
    let whole = History::new().section(0, 10, 101, 7);
    for broken in [
        whole.clone().leaves(11, 101),
        whole.clone().lost(11, 101),
        whole.clone().valid(11, 101, 50),
        whole.clone().wrote(11, 101),
        whole.clone().counted(11, 101, 0),
        whole.clone().queued(11, 101),
        whole.clone().refused(11, 101),
        whole.clone().enters(11, 101, 7),
        whole.clone().leaves(5, 909),
        whole.clone().asks(12, 102).refused(13, 102).wrote(14, 102),
        whole.clone().resumed(12, 1),
        whole.clone().paused(12, 1).paused(13, 1),
        whole.clone().asks(12, 102).crashed(13, 1).enters(14, 102, 8),
    ] {
        broken.breaks(Property::Malformed);
    }
    whole.wrote(9, 101).passes();
}

#[test]
fn a_re_entry_needs_a_hold_of_the_same_key() {
    let inner = |outer| {
        let history = History::new().asks(0, 101).enters(0, 101, 7).asks(1, 111).enters(1, 111, 3);
        history.asks(2, 102).enters_within(3, 102, 7, outer).leaves(9, 111).leaves(9, 101)
    };
    inner(101).leaves(8, 102).passes();
    let report = inner(111).check(&rules());
    assert_eq!(report.violations[0].property, Property::Malformed);
}

#[test]
fn a_process_that_is_started_again_asks_anew() {
    History::new()
        .asks(0, 101)
        .enters(0, 101, 7)
        .crashed(5, 1)
        .asks(10, 102)
        .enters(20, 102, 8)
        .leaves(30, 102)
        .passes();
}

#[test]
fn waiters_of_several_keys_are_counted_apart() {
    let mut both = passed(3, 2);
    both.0.extend(History::new().asks(600, 311).queued(601, 311).0);
    let passing =
        (0..3).fold(both, |history, n| history.section(610 + 10 * n, 615 + 10 * n, 412 + n, n + 1));
    let report = passing.enters(650, 311, 100).leaves(660, 311).check(&rules());
    let found: Vec<_> =
        report.violations.iter().map(|one| (one.property, &one.requests[..])).collect();
    assert_eq!(found, [(Property::PassedOver, &[101][..]), (Property::PassedOver, &[311][..])]);
}

#[test]
fn a_waiter_that_crashed_may_be_passed_over() {
    let first = History::new().asks(0, 201).enters(0, 201, 1).asks(1, 101).queued(2, 101);
    let passing = (0..3).fold(first.leaves(10, 201), |history, n| {
        history.section(10 * n + 10, 10 * n + 20, 202 + n, n + 2)
    });
    passing.clone().crashed(60, 1).passes();
    passing.cancelled(60, 101).breaks(Property::PassedOver);
}

#[test]
fn a_grant_in_the_instant_of_ones_own_does_not_pass_over() {
    let third = |at| {
        let first = History::new().asks(0, 205).enters(3, 205, 1).asks(1, 101).queued(2, 101);
        let passing = first.leaves(10, 205).section(10, 20, 202, 2).section(20, 30, 203, 3);
        passing.section(at, at, 204, 4).enters(30, 101, 5).leaves(40, 101)
    };
    third(30).passes();
    // At 29 the third is inside the second's section as well, which is another matter.
    let report = third(29).check(&common::lossy());
    assert_eq!(report.violations[0].property, Property::PassedOver);
}

#[test]
fn a_crash_ends_a_pause() {
    let again =
        || History::new().asks(0, 101).paused(10, 1).crashed(20, 1).asks_until(30, 102, None);
    again().breaks(Property::Deadline);
    again().cancelled(40, 102).passes();
}
