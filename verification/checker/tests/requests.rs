//! Deadlines, takeover, bypass, leaks and impossible events.

mod common;

use checker::{Property, Rules};
use common::{History, rules};

#[test]
fn an_acquire_that_ends_after_its_deadline_is_found() {
    let refused = |at| History::new().requests_until(0, 101, Some(20)).refused(at, 101);
    refused(31).breaks(Property::Deadline);
    assert_eq!(refused(30).passes().refusals, 1);
    let entered =
        |at| History::new().requests_until(0, 101, Some(20)).acquires(at, 101, 7).releases(at, 101);
    entered(31).breaks(Property::Deadline);
    entered(30).passes();
    let cancelled = |at| History::new().requests_until(0, 101, Some(20)).cancelled(at, 101);
    cancelled(31).breaks(Property::Deadline);
    assert_eq!(cancelled(30).passes().cancelled, 1);
}

#[test]
fn an_acquire_that_never_ends_is_found() {
    History::new().requests_until(0, 101, Some(20)).breaks(Property::Deadline);
    History::new().requests_until(0, 101, None).breaks(Property::Deadline);
    History::new().requests_until(0, 101, None).crashed(10, 1).passes();
    History::new().requests_until(0, 101, None).paused(10, 1).passes();
}

#[test]
fn a_pause_moves_the_deadline() {
    let refused = |pause, at| {
        History::new()
            .requests_until(0, 101, Some(20))
            .paused(pause, 1)
            .resumed(100, 1)
            .refused(at, 101)
    };
    refused(30, 110).passes();
    refused(30, 111).breaks(Property::Deadline);
    refused(31, 110).breaks(Property::Deadline);
}

#[test]
fn pauses_in_close_succession_count_as_one() {
    let refused = |again, at| {
        History::new()
            .requests_until(0, 101, Some(20))
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
fn what_stalls_take_of_the_slack_is_added() {
    let refused = |stalls: &[(u64, u64)], at| {
        let waits = History::new().requests_until(0, 101, Some(20));
        let stalled = |history: History, &(from, to)| history.stalled(from, to, 1);
        stalls.iter().fold(waits, stalled).refused(at, 101)
    };
    refused(&[], 30).passes();
    refused(&[(5, 15)], 31).breaks(Property::Deadline);
    refused(&[(5, 24)], 34).passes();
    refused(&[(5, 24)], 35).breaks(Property::Deadline);
    refused(&[(22, 26), (33, 40)], 41).passes();
    refused(&[(22, 26), (33, 40)], 42).breaks(Property::Deadline);
    refused(&[(31, 131)], 31).breaks(Property::Deadline);
    // Those of several threads overlap.
    refused(&[(22, 26), (24, 28), (10, 29)], 39).passes();
    refused(&[(22, 26), (24, 28), (10, 29)], 40).breaks(Property::Deadline);
}

#[test]
fn a_request_that_had_to_succeed_but_failed_is_found() {
    History::new().must_get(0, 101).refused(10, 101).breaks(Property::MustSucceed);
    History::new().must_get(0, 101).acquires(10, 101, 7).releases(20, 101).passes();
    History::new().must_get(0, 101).paused(5, 1).resumed(8, 1).refused(10, 101).passes();
}

fn vacant(entered: u64) -> History {
    History::new()
        .requests(0, 101)
        .acquires(0, 101, 7)
        .requests(20, 202)
        .releases(100, 101)
        .acquires(entered, 202, 8)
        .releases(300, 202)
}

#[test]
fn a_vacant_key_with_a_waiter_is_found() {
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
            .requests(0, 101)
            .acquires(0, 101, 7)
            .requests(20, 202)
            .crashed(100, 1)
            .acquires(at, 202, 8)
            .releases(300, 202)
    };
    second(161).breaks(Property::Takeover);
    second(160).passes();
}

#[test]
fn takeover_counts_from_the_request_if_that_is_later() {
    let second = |at| {
        let first = History::new().section(0, 10, 101, 7);
        first.requests(100, 202).acquires(at, 202, 8).releases(300, 202)
    };
    second(161).breaks(Property::Takeover);
    second(160).passes();
}

#[test]
fn a_paused_or_crashed_waiter_does_not_have_to_take_over() {
    let waiter = || History::new().section(0, 10, 101, 7).requests(5, 202);
    waiter().paused(20, 2).section(400, 410, 303, 8).passes();
    waiter().crashed(20, 2).section(400, 410, 303, 8).passes();
    waiter().fault(20).section(400, 410, 303, 8).refused(420, 202).breaks(Property::Takeover);
}

#[test]
fn a_key_without_waiters_may_stay_vacant() {
    History::new().section(0, 10, 101, 7).section(500, 510, 202, 8).passes();
    History::new().section(0, 10, 101, 7).requests(400, 202).cancelled(460, 202).passes();
}

/// Request 101 waits while later ones acquire; it may be bypassed twice.
fn bypasses(times: u64, queued: u64) -> History {
    let first =
        History::new().requests(0, 201).acquires(0, 201, 1).requests(1, 101).queued(queued, 101);
    let passing = (0..times).fold(first.releases(10, 201), |history, n| {
        history.section(10 * n + 10, 10 * n + 20, 202 + n, n + 2)
    });
    passing.acquires(10 * times + 10, 101, 100).releases(500, 101)
}

#[test]
fn a_waiter_that_is_bypassed_too_often_is_found() {
    bypasses(3, 2).breaks(Property::BoundedBypass);
    bypasses(2, 2).passes();
}

#[test]
fn only_requests_made_after_a_waiter_was_queued_bypass_it() {
    bypasses(3, 10).passes();
    bypasses(4, 10).breaks(Property::BoundedBypass);
}

#[test]
fn a_paused_waiter_may_be_bypassed() {
    bypasses(3, 2).paused(15, 1).resumed(16, 1).passes();
    bypasses(3, 2).passes_under(&Rules { max_bypass: None, ..rules() });
}

#[test]
fn a_leak_is_found() {
    History::new().leaks(1).breaks(Property::NoLeak);
    History::new().leaks(0).passes();
}

#[test]
fn impossible_events_are_found() {
    let whole = History::new().section(0, 10, 101, 7);
    for broken in [
        whole.clone().releases(11, 101),
        whole.clone().loss_reported(11, 101),
        whole.clone().extends(11, 101, 50),
        whole.clone().writes(11, 101),
        whole.clone().updates_counter(11, 101, 0),
        whole.clone().queued(11, 101),
        whole.clone().refused(11, 101),
        whole.clone().acquires(11, 101, 7),
        whole.clone().releases(5, 909),
        whole.clone().requests(12, 102).refused(13, 102).writes(14, 102),
        whole.clone().resumed(12, 1),
        whole.clone().paused(12, 1).paused(13, 1),
        whole.clone().requests(12, 102).crashed(13, 1).acquires(14, 102, 8),
    ] {
        broken.breaks(Property::WellFormed);
    }
    whole.writes(9, 101).passes();
}

#[test]
fn a_re_entry_needs_a_hold_of_the_same_key() {
    let inner = |outer| {
        let history = History::new()
            .requests(0, 101)
            .acquires(0, 101, 7)
            .requests(1, 111)
            .acquires(1, 111, 3);
        history.requests(2, 102).re_enters(3, 102, 7, outer).releases(9, 111).releases(9, 101)
    };
    inner(101).releases(8, 102).passes();
    let report = inner(111).check(&rules());
    assert_eq!(report.violations[0].property, Property::WellFormed);
}

#[test]
fn a_restarted_process_may_reuse_its_name() {
    History::new()
        .requests(0, 101)
        .acquires(0, 101, 7)
        .crashed(5, 1)
        .requests(10, 102)
        .acquires(20, 102, 8)
        .releases(30, 102)
        .passes();
}

#[test]
fn waiters_of_several_keys_are_counted_separately() {
    let mut both = bypasses(3, 2);
    both.0.extend(History::new().requests(600, 311).queued(601, 311).0);
    let passing =
        (0..3).fold(both, |history, n| history.section(610 + 10 * n, 615 + 10 * n, 412 + n, n + 1));
    let report = passing.acquires(650, 311, 100).releases(660, 311).check(&rules());
    let found: Vec<_> =
        report.violations.iter().map(|one| (one.property, &one.requests[..])).collect();
    assert_eq!(
        found,
        [(Property::BoundedBypass, &[101][..]), (Property::BoundedBypass, &[311][..])]
    );
}

#[test]
fn a_crashed_waiter_may_be_bypassed() {
    let first = History::new().requests(0, 201).acquires(0, 201, 1).requests(1, 101).queued(2, 101);
    let passing = (0..3).fold(first.releases(10, 201), |history, n| {
        history.section(10 * n + 10, 10 * n + 20, 202 + n, n + 2)
    });
    passing.clone().crashed(60, 1).passes();
    passing.cancelled(60, 101).breaks(Property::BoundedBypass);
}

#[test]
fn a_grant_at_the_same_instant_is_not_a_bypass() {
    let third = |at| {
        let first =
            History::new().requests(0, 205).acquires(3, 205, 1).requests(1, 101).queued(2, 101);
        let passing = first.releases(10, 205).section(10, 20, 202, 2).section(20, 30, 203, 3);
        passing.section(at, at, 204, 4).acquires(30, 101, 5).releases(40, 101)
    };
    third(30).passes();
    // At 29 the third also overlaps the section of the second, which is a separate violation.
    let report = third(29).check(&common::lossy());
    assert_eq!(report.violations[0].property, Property::BoundedBypass);
}

#[test]
fn a_crash_ends_a_pause() {
    let again = || {
        History::new().requests(0, 101).paused(10, 1).crashed(20, 1).requests_until(30, 102, None)
    };
    again().breaks(Property::Deadline);
    again().cancelled(40, 102).passes();
}
