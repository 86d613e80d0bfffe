//! Orders that agree and orders that do not.

use super::*;
use crate::types::owner_info::{FunctionInfo, KeyPattern};
use std::panic::Location;

#[track_caller]
fn place(key_pattern: &'static str) -> CallSite {
    let location = Location::caller();
    let key_pattern = KeyPattern::Written(key_pattern);
    let label = FunctionInfo { module: "bank", function: "transfer", key_pattern, location };
    CallSite::Function(Box::leak(Box::new(label)))
}

impl LockOrder {
    /// The patterns with a key each, the inner one inside the outer one.
    fn see(&mut self, outer: &CallSite, inner: &CallSite) -> Option<Inversion> {
        self.record(
            *outer,
            &outer.key_pattern().to_string(),
            *inner,
            &inner.key_pattern().to_string(),
        )
    }
}

#[test]
fn one_order_is_fine_however_often_it_is_seen() {
    let mut order = LockOrder::default();
    let (a, b, c) = (place("a"), place("b"), place("c"));
    for _ in 0..3 {
        for (outer, inner) in [(&a, &b), (&b, &c), (&a, &c)] {
            assert_eq!(order.see(outer, inner), None);
        }
    }
}

#[test]
fn two_templates_in_opposite_orders_are_reported_once_with_all_places() {
    let mut order = LockOrder::default();
    let (a, b) = (place("a"), place("b"));
    let (other_a, other_b) = (place("a"), place("b"));
    assert_eq!(order.see(&a, &b), None);
    let found = order.see(&other_b, &other_a).expect("an inversion");
    assert_eq!(found.new, Edge { outer: other_b, inner: other_a });
    assert_eq!(found.back, [Edge { outer: a, inner: b }]);
    assert_eq!(order.see(&other_b, &other_a), None);
    assert_eq!(order.see(&a, &b), None);
}

#[test]
fn a_path_back_over_other_templates_is_reported_with_each_step() {
    let mut order = LockOrder::default();
    let (a, b, c, d) = (place("a"), place("b"), place("c"), place("d"));
    assert_eq!(order.see(&a, &b), None);
    assert_eq!(order.see(&a, &d), None);
    assert_eq!(order.see(&b, &c), None);
    let found = order.see(&c, &a).expect("an inversion");
    let steps = [Edge { outer: a, inner: b }, Edge { outer: b, inner: c }];
    assert_eq!((found.new, found.back), (Edge { outer: c, inner: a }, steps.to_vec()));
}

#[test]
fn a_pair_that_was_reported_over_others_is_not_reported_again_directly() {
    let mut order = LockOrder::default();
    let (a, b, c) = (place("a"), place("b"), place("c"));
    order.see(&a, &b);
    order.see(&b, &c);
    assert!(order.see(&c, &a).is_some());
    assert_eq!(order.see(&a, &c), None);
    assert!(order.see(&b, &a).is_some(), "another pair");
}

#[test]
fn keys_of_one_template_are_ordered_by_the_keys() {
    let mut order = LockOrder::default();
    let (outer, inner) = (place("account:{}"), place("account:{}"));
    assert_eq!(order.record(outer, "account:1", inner, "account:2"), None);
    assert_eq!(order.record(outer, "account:3", inner, "account:4"), None);
    let found = order.record(outer, "account:2", inner, "account:1").expect("an inversion");
    assert_eq!(found.back.len(), 1);
    assert_eq!(order.record(outer, "account:9", inner, "account:8"), None);
}

#[test]
fn keys_of_one_template_say_nothing_about_other_templates() {
    let mut order = LockOrder::default();
    let (a, b) = (place("a{}"), place("b"));
    assert_eq!(order.record(a, "a1", a, "a2"), None);
    assert_eq!(order.record(a, "a1", b, "b"), None);
    assert_eq!(order.record(a, "a2", b, "b"), None);
}

#[test]
fn the_same_key_again_is_reentry_whatever_its_template() {
    let mut order = LockOrder::default();
    let (a, b) = (place("x{}"), place("{}y"));
    assert_eq!(order.record(a, "xy", b, "xy"), None);
    assert_eq!(order.record(b, "xy", a, "xy"), None);
    assert_eq!(order.edges.len(), 0);
}

#[test]
fn an_inversion_reads_as_one_line_with_both_orders_and_the_way_out() {
    let mut order = LockOrder::default();
    let (a, b) = (place("stock:{sku}"), place("order:{id}"));
    order.see(&a, &b);
    let text = order.see(&b, &a).expect("an inversion").to_string();
    let (a, b) = (a.to_string(), b.to_string());
    assert!(a.starts_with("bank::transfer at ") && a.contains("tests.rs:"), "{a}");
    assert_eq!(
        text,
        format!(
            "locks are taken in opposite orders, which can end in a deadlock: \
             \"stock:{{sku}}\" inside \"order:{{id}}\" ({a}, inside {b}); \
             but \"order:{{id}}\" inside \"stock:{{sku}}\" ({b}, inside {a}); \
             acquire them in one order everywhere, or together: a list of keys, or `mutex_many`"
        )
    );
    assert!(!text.contains('\n'));

    let account = place("account:{}");
    order.record(account, "1", account, "2");
    let text = order.record(account, "2", account, "1").expect("an inversion").to_string();
    assert!(text.contains("a smaller key of \"account:{}\" inside a larger one (bank::transfer"));
    assert!(text.contains("but a larger key of \"account:{}\" inside a smaller one"));
}

#[test]
fn after_ten_thousand_edges_nothing_more_is_noted() {
    let mut order = LockOrder::default();
    let first = place("first");
    for number in 0..MAX_EDGES {
        let key_pattern: &'static str = Box::leak(number.to_string().into_boxed_str());
        assert_eq!(order.see(&first, &place(key_pattern)), None);
    }
    let (a, b) = (place("a"), place("b"));
    assert_eq!((order.see(&a, &b), order.see(&b, &a)), (None, None));
    assert_eq!(order.edges.len(), MAX_EDGES);
}

#[test]
fn the_global_order_is_that_of_all_threads() {
    let (a, b) = (place("global a"), place("global b"));
    let inside =
        |outer, outer_key, inner, key| check(std::iter::once((outer, outer_key)), inner, &[key]);
    std::thread::spawn(move || inside(a, "a", b, "b")).join().expect("no panic");
    inside(b, "b", a, "a");
    let order = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(order.reported.contains(&(a.key_pattern(), b.key_pattern())));
}
