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
        "key 0: p2/t202 (#202) entered at +20.000 ms under token 7, \
         though p1/t101 (#101) had entered at +0.000 ms under token 8"
    );
    History::new().section(0, 10, 101, 7).section(20, 30, 202, 8).passes();
}

#[test]
fn tokens_of_other_keys_do_not_matter() {
    History::new().section(0, 10, 101, 8).section(20, 30, 211, 7).passes();
}

#[test]
fn a_lossy_run_orders_tokens_only_of_grants_asked_for_after_the_other_was_entered() {
    let asked_before =
        History::new().asks(0, 202).section(0, 10, 101, 8).enters(20, 202, 7).leaves(30, 202);
    asked_before.passes_under(&lossy());
    asked_before.breaks(Property::TokensRise);
    let asked_after = History::new().section(0, 10, 101, 8).section(20, 30, 202, 7);
    asked_after.breaks_under(&lossy(), Property::TokensRise);
}

#[test]
fn grants_of_one_instant_have_no_order() {
    let second =
        |asked| History::new().section(5, 10, 101, 8).section(asked, 20, 202, 7).check(&lossy());
    assert!(second(5).is_right());
    assert_eq!(second(6).violations[0].property, Property::TokensRise);
}

#[test]
fn a_grant_that_is_seen_after_it_ran_out_may_be_older_than_one_seen_before() {
    let seen_late = |until| {
        History::new()
            .asks(0, 202)
            .paused(1, 2)
            .asks(2, 101)
            .enters(60, 101, 8)
            .leaves(70, 101)
            .resumed(80, 2)
            .enters_until(80, 202, 7, until)
            .leaves(81, 202)
    };
    seen_late(50).passes();
    seen_late(90).breaks(Property::TokensRise);
}

#[test]
fn a_token_shown_twice_is_found() {
    History::new().section(0, 10, 101, 7).section(20, 30, 202, 7).breaks(Property::TokensDistinct);
}

#[test]
fn a_token_shown_twice_is_found_in_a_lossy_run_too() {
    History::new()
        .section(0, 10, 101, 7)
        .section(20, 30, 202, 7)
        .breaks_under(&lossy(), Property::TokensDistinct);
}

fn nested(fence: u64, from: u64) -> History {
    History::new()
        .asks(0, 101)
        .enters(1, 101, 7)
        .asks(2, 102)
        .leaves(20, 101)
        .enters_within(from, 102, fence, 101)
        .leaves(30, 102)
}

#[test]
fn a_token_raised_on_re_entry_is_found() {
    nested(8, 10).breaks(Property::Reentry);
    assert_eq!(nested(7, 10).passes().reentries, 1);
}

#[test]
fn a_re_entry_into_a_hold_that_was_left_is_found() {
    nested(7, 21).breaks(Property::Reentry);
    nested(7, 20).passes();
}

fn siblings(second_from: u64) -> History {
    History::new()
        .asks(0, 101)
        .enters(1, 101, 7)
        .asks(2, 102)
        .asks(2, 103)
        .enters_within(5, 102, 7, 101)
        .leaves(20, 102)
        .enters_within(second_from, 103, 7, 101)
        .leaves(30, 103)
        .leaves(40, 101)
}

#[test]
fn siblings_that_overlap_are_found() {
    siblings(19).breaks(Property::Siblings);
    siblings(20).passes();
}

#[test]
fn a_section_inside_another_of_the_same_hold_is_no_sibling() {
    History::new()
        .asks(0, 101)
        .enters(1, 101, 7)
        .asks(2, 102)
        .enters_within(5, 102, 7, 101)
        .asks(6, 103)
        .enters_within(7, 103, 7, 102)
        .leaves(8, 103)
        .leaves(20, 102)
        .leaves(40, 101)
        .passes();
}
