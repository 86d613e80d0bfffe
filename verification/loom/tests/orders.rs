//! Each model under every schedule and order of memory.

use loom_models::{shares, turns};

#[test]
fn the_end_comes_after_all_that_was_done_under_it() {
    shares::the_end_comes_after_all_that_was_done_under_it();
}

#[test]
fn a_loss_is_never_missed() {
    shares::a_loss_is_never_missed();
}

#[test]
fn a_turn_comes_after_those_before_it() {
    turns::a_turn_comes_after_those_before_it();
}

#[test]
fn a_turn_that_is_found_free_comes_after_those_before_it() {
    turns::a_turn_that_is_found_free_comes_after_those_before_it();
}
