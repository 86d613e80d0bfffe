//! Tokens, re-entry and siblings.

mod common;

use checker::Property;
use common::{History, lossy};

#[test]
fn a_lower_token_after_a_higher_one_is_found() {
    let report =
        History::new().section(0, 10, 101, 8).section(20, 30, 202, 7).breaks(Property::TokensRise);
    assert_eq!(report.violations[0].requests, [101, 202]);
    assert_eq!(
        report.violations[0].text,
        "key 0: p2/t202 (#202) acquired at +20.000 ms with token 7, \
         after p1/t101 (#101) had acquired at +0.000 ms with token 8"
    );
    History::new().section(0, 10, 101, 7).section(20, 30, 202, 8).passes();
}

#[test]
fn tokens_of_other_keys_do_not_matter() {
    History::new().section(0, 10, 101, 8).section(20, 30, 211, 7).passes();
}

#[test]
fn a_lossy_run_orders_only_tokens_of_grants_requested_after_the_other_was_acquired() {
    let asked_before = History::new()
        .requests(0, 202)
        .section(0, 10, 101, 8)
        .acquires(20, 202, 7)
        .releases(30, 202);
    asked_before.passes_under(&lossy());
    asked_before.breaks(Property::TokensRise);
    let asked_after = History::new().section(0, 10, 101, 8).section(20, 30, 202, 7);
    asked_after.breaks_under(&lossy(), Property::TokensRise);
}

#[test]
fn grants_at_the_same_instant_have_no_order() {
    let second =
        |asked| History::new().section(5, 10, 101, 8).section(asked, 20, 202, 7).check(&lossy());
    assert!(second(5).is_right());
    assert_eq!(second(6).violations[0].property, Property::TokensRise);
}

#[test]
fn a_grant_noticed_after_it_expired_may_be_older_than_an_earlier_one() {
    let seen_late = |until| {
        History::new()
            .requests(0, 202)
            .paused(1, 2)
            .requests(2, 101)
            .acquires(60, 101, 8)
            .releases(70, 101)
            .resumed(80, 2)
            .acquires_until(80, 202, 7, until)
            .releases(81, 202)
    };
    seen_late(50).passes();
    seen_late(90).breaks(Property::TokensRise);
}

#[test]
fn a_duplicate_token_is_found() {
    History::new().section(0, 10, 101, 7).section(20, 30, 202, 7).breaks(Property::TokensDistinct);
}

#[test]
fn a_duplicate_token_is_found_in_a_lossy_run_too() {
    History::new()
        .section(0, 10, 101, 7)
        .section(20, 30, 202, 7)
        .breaks_under(&lossy(), Property::TokensDistinct);
}

fn nested(fence: u64, from: u64) -> History {
    History::new()
        .requests(0, 101)
        .acquires(1, 101, 7)
        .requests(2, 102)
        .releases(20, 101)
        .re_enters(from, 102, fence, 101)
        .releases(30, 102)
}

#[test]
fn a_re_entry_with_another_token_is_found() {
    nested(8, 10).breaks(Property::Reentry);
    assert_eq!(nested(7, 10).passes().reentries, 1);
}

#[test]
fn a_re_entry_into_a_released_hold_is_found() {
    nested(7, 21).breaks(Property::Reentry);
    nested(7, 20).passes();
}

fn siblings(second_from: u64) -> History {
    History::new()
        .requests(0, 101)
        .acquires(1, 101, 7)
        .requests(2, 102)
        .requests(2, 103)
        .re_enters(5, 102, 7, 101)
        .releases(20, 102)
        .re_enters(second_from, 103, 7, 101)
        .releases(30, 103)
        .releases(40, 101)
}

#[test]
fn overlapping_siblings_are_found() {
    siblings(19).breaks(Property::SiblingExclusion);
    siblings(20).passes();
}

#[test]
fn a_nested_section_is_not_a_sibling_of_its_enclosing_one() {
    History::new()
        .requests(0, 101)
        .acquires(1, 101, 7)
        .requests(2, 102)
        .re_enters(5, 102, 7, 101)
        .requests(6, 103)
        .re_enters(7, 103, 7, 102)
        .releases(8, 103)
        .releases(20, 102)
        .releases(40, 101)
        .passes();
}
