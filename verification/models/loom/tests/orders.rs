//! Each model under every schedule and order of memory.

use loom_models::{lease, sibling_mutex};

#[test]
fn the_release_happens_after_all_work_under_the_hold() {
    lease::the_release_happens_after_all_work_under_the_hold();
}

#[test]
fn a_loss_is_never_missed() {
    lease::a_loss_is_never_missed();
}

#[test]
fn the_sibling_mutex_orders_sections() {
    sibling_mutex::the_sibling_mutex_orders_sections();
}

#[test]
fn try_acquire_of_the_sibling_mutex_orders_sections() {
    sibling_mutex::try_acquire_of_the_sibling_mutex_orders_sections();
}

#[test]
fn a_section_without_a_frame_orders_the_next() {
    sibling_mutex::a_section_without_a_frame_orders_the_next();
}
