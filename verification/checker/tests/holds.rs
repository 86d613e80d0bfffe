//! Mutual exclusion, the register, the counter, and the end of a hold.

mod common;

use checker::Property;
use common::{History, lossy};

#[test]
fn two_valid_holds_at_once_violate_mutual_exclusion() {
    let overlap = |second| History::new().section(0, 20, 101, 7).section(second, 40, 202, 8);
    let report = overlap(19).breaks(Property::MutualExclusion);
    assert_eq!(report.violations[0].requests, [101, 202]);
    let report = overlap(20).passes();
    assert_eq!((report.requests, report.pairs, report.double_holds), (2, 2, 0));
}

#[test]
fn two_valid_holds_at_once_are_counted_in_a_lossy_run() {
    let overlap = History::new().section(0, 20, 101, 7).section(19, 40, 202, 8);
    assert_eq!(overlap.passes_under(&lossy()).double_holds, 1);
}

#[test]
fn a_hold_that_overlaps_an_earlier_long_one_is_found() {
    let report = History::new()
        .section(0, 50, 101, 7)
        .section(10, 20, 202, 8)
        .section(30, 40, 303, 9)
        .passes_under(&lossy());
    assert_eq!(report.double_holds, 2);
}

#[test]
fn a_hold_ends_where_its_validity_ends() {
    let second = |from| {
        History::new()
            .requests(0, 101)
            .acquires_until(0, 101, 7, 30)
            .loss_reported(35, 101)
            .releases(40, 101)
            .section(from, 50, 202, 8)
    };
    second(29).breaks(Property::MutualExclusion);
    assert_eq!(second(30).passes().losses, 1);
}

#[test]
fn a_hold_lasts_until_its_last_extension() {
    let second = |from| {
        History::new()
            .requests(0, 101)
            .acquires_until(0, 101, 7, 30)
            .extends(10, 101, 60)
            .releases(70, 101)
            .section(from, 90, 202, 8)
    };
    second(59).breaks(Property::MutualExclusion);
    second(60).passes();
}

#[test]
fn a_crash_ends_the_holds_of_the_process() {
    let second = |from| {
        History::new().requests(0, 101).acquires(0, 101, 7).crashed(20, 1).section(from, 50, 202, 8)
    };
    second(19).breaks(Property::MutualExclusion);
    second(20).passes();
}

#[test]
fn a_hold_lasts_until_its_last_section_ends() {
    let second = |from| {
        History::new()
            .requests(0, 101)
            .acquires(0, 101, 7)
            .requests(1, 102)
            .re_enters(1, 102, 7, 101)
            .releases(10, 101)
            .releases(20, 102)
            .section(from, 50, 202, 8)
    };
    second(19).breaks(Property::MutualExclusion);
    second(20).passes();
}

fn late_write() -> History {
    History::new()
        .requests(0, 101)
        .acquires_until(0, 101, 7, 30)
        .loss_reported(30, 101)
        .requests(20, 202)
        .acquires(40, 202, 8)
        .writes(41, 202)
        .releases(60, 202)
        .releases(60, 101)
}

#[test]
fn a_register_that_takes_a_lower_token_after_a_higher_one_is_found() {
    late_write().writes(50, 101).breaks(Property::FencedRegister);
    late_write().writes(50, 101).breaks_under(&lossy(), Property::FencedRegister);
    late_write().write_rejected(50, 101).passes();
    late_write().writes(40, 101).passes();
}

fn counters(second: u64) -> History {
    History::new()
        .section(0, 10, 101, 7)
        .updates_counter(5, 101, 0)
        .section(20, 30, 202, 8)
        .updates_counter(25, 202, second)
}

#[test]
fn a_lost_update_is_found() {
    counters(0).breaks(Property::UnfencedCounter);
    counters(0).passes_under(&lossy());
    counters(1).passes();
}

#[test]
fn a_total_that_differs_from_the_number_of_updates_is_found() {
    counters(1).total(50, 0, 1).breaks(Property::UnfencedCounter);
    counters(1).total(50, 0, 3).breaks(Property::UnfencedCounter);
    counters(1).total(50, 0, 2).passes();
}

#[test]
fn a_crashed_holder_may_have_made_one_unrecorded_update() {
    let crash = counters(1).requests(40, 303).acquires(41, 303, 9).crashed(45, 3);
    crash.clone().total(50, 0, 2).passes();
    crash.clone().total(50, 0, 3).passes();
    crash.total(50, 0, 4).breaks(Property::UnfencedCounter);
}

#[test]
fn a_counter_written_after_the_lease_expired_proves_nothing() {
    let written = |at| {
        History::new()
            .requests(0, 101)
            .acquires_until(0, 101, 7, 30)
            .updates_counter(at, 101, 0)
            .releases(36, 101)
            .section(50, 60, 202, 8)
            .updates_counter(55, 202, 0)
    };
    assert_eq!(written(35).passes().counters_overwritten, 1);
    written(30).breaks(Property::UnfencedCounter);
}

#[test]
fn a_loss_that_is_reported_late_is_found() {
    let reported = |at| {
        History::new()
            .requests(0, 101)
            .acquires_until(0, 101, 7, 30)
            .loss_reported(at, 101)
            .releases(90, 101)
    };
    reported(41).breaks(Property::LossReported);
    reported(40).passes();
    let left = |at| History::new().requests(0, 101).acquires_until(0, 101, 7, 30).releases(at, 101);
    left(41).breaks(Property::LossReported);
    left(40).passes();
}

#[test]
fn a_loss_that_is_never_reported_is_found() {
    History::new().requests(0, 101).acquires_until(0, 101, 7, 30).breaks(Property::LossReported);
}

#[test]
fn a_paused_holder_may_be_notified_when_it_resumes() {
    let reported = |at| {
        History::new()
            .requests(0, 101)
            .acquires_until(0, 101, 7, 30)
            .paused(40, 1)
            .resumed(100, 1)
            .loss_reported(at, 101)
            .releases(200, 101)
    };
    reported(111).breaks(Property::LossReported);
    reported(110).passes();
    let crash = |at| History::new().requests(0, 101).acquires_until(0, 101, 7, 30).crashed(at, 1);
    crash(41).breaks(Property::LossReported);
    crash(40).passes();
}

#[test]
fn an_extension_after_a_loss_is_found() {
    let valid = |at| {
        History::new()
            .requests(0, 101)
            .acquires_until(0, 101, 7, 30)
            .extends(at, 101, 60)
            .loss_reported(20, 101)
            .releases(40, 101)
    };
    valid(25).breaks(Property::LossReported);
    valid(20).passes();
}

/// A call within a hold does not look at the clock, as after a pause.
#[test]
fn a_re_entry_without_time_left_extends_nothing() {
    let nested = |until| {
        let first = History::new().requests(0, 101).acquires_until(0, 101, 7, 30).paused(5, 1);
        let second = first.section(40, 50, 202, 8).resumed(60, 1).loss_reported(60, 101);
        let nested = second.requests(60, 103).re_enters_until(60, 103, 7, 101, until);
        nested.releases(61, 103).releases(61, 101)
    };
    nested(60).passes();
    nested(61).breaks(Property::MutualExclusion);
}

#[test]
fn a_re_entry_with_time_left_after_a_loss_is_found() {
    let nested = |until| {
        let lost = History::new().requests(0, 101).acquires_until(0, 101, 7, 30);
        let lost = lost.loss_reported(20, 101).requests(25, 103);
        lost.re_enters_until(25, 103, 7, 101, until).releases(26, 103).releases(26, 101)
    };
    nested(25).passes();
    nested(26).breaks(Property::LossReported);
}

#[test]
fn a_loss_ends_a_hold_before_its_validity_does() {
    let second = |from| {
        let first = History::new().requests(0, 101).acquires(0, 101, 7).loss_reported(20, 101);
        first.releases(40, 101).section(from, 50, 202, 8)
    };
    second(19).breaks(Property::MutualExclusion);
    second(20).passes();
}

#[test]
fn a_holder_that_crashed_after_its_lease_expired_may_have_overwritten_the_counter() {
    let crash = |at| {
        let first =
            counters(1).requests(40, 303).acquires_until(41, 303, 9, 60).loss_reported(60, 303);
        first.crashed(at, 3).total(90, 0, 1)
    };
    crash(60).breaks(Property::UnfencedCounter);
    assert_eq!(crash(61).passes().counters_overwritten, 1);
}

#[test]
fn an_extension_and_a_loss_may_have_the_same_timestamp() {
    let valid = |at| {
        let lost = History::new().requests(0, 101).acquires(0, 101, 7).loss_reported(20, 101);
        lost.extends(at, 101, 2_100).releases(40, 101)
    };
    valid(20).passes();
    valid(21).breaks(Property::LossReported);
}

#[test]
fn a_key_that_stays_taken_is_granted_to_nobody_before() {
    let kept = |valid_until, next| {
        let first = History::new().requests(0, 101).acquires_until(0, 101, 7, valid_until);
        first.keeps(0, 101, 500).releases(20, 101).section(next, next + 20, 202, 8)
    };
    kept(600, 480).breaks(Property::KeptKey);
    kept(600, 500).passes();
    // The server may not have heard of it.
    kept(400, 480).passes();
}
