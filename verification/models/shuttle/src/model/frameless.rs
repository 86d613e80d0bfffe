//! Nested sections without a frame take turns with siblings of other threads, whether they get a
//! frame meanwhile or not.
//!
//! Panics are left to the unit tests: shuttle's threads share the panic count of one real thread.

use std::sync::Arc;

use distlock_runtime::verification::{ContextGuard, FramelessSection, current};
use shuttle::sync::atomic::Ordering;
use shuttle::thread;

use crate::environment;
use crate::explore::explore;
use crate::model::sibling_mutex::{
    Family, MANAGER, cancels, enter, outlives_its_siblings, sibling,
};

const FOREIGN_TASK: u64 = 7;

/// A section that nobody has looked at wakes the siblings that wait for it.
pub fn sections_without_a_frame_take_turns() {
    explore(|| outlives_its_siblings(&[plain, plain, sibling]), 800);
}

/// A section that has got its frame meanwhile ends as one that had it from the beginning.
pub fn a_section_gets_its_frame_once() {
    explore(|| outlives_its_siblings(&[looks, looks, plain, cancels]), 800);
}

/// So does one that outlasts the poll that it began in.
pub fn a_section_outlasts_the_poll_that_it_began_in() {
    explore(|| outlives_its_siblings(&[outlasts, plain, sibling]), 800);
}

fn plain(family: &Family) {
    nested(family, || {
        let deeper = FramelessSection::try_enter(MANAGER, "key");
        assert!(deeper.is_some(), "nobody else can be inside this section");
        thread::yield_now();
    });
}

fn looks(family: &Family) {
    nested(family, || {
        let deeper = FramelessSection::try_enter(MANAGER, "key").expect("nobody else is inside");
        let here = current().expect("a section is around this code");
        assert_eq!(here.depth(), 3);
        assert!(Arc::ptr_eq(&here, &current().expect("the same")), "a frame is made twice");
        thread::yield_now();
        drop(deeper);
        let here = current().expect("a section is around this code");
        assert!(here.is_running_child_of(&family.frame));
    });
}

/// Its section goes on after the call that it began in.
fn outlasts(family: &Family) {
    let section = inside(family, || {
        let section =
            FramelessSection::try_enter(MANAGER, "key").map(FramelessSection::into_section);
        assert!(Arc::ptr_eq(&current().expect("the section around it"), &family.frame));
        section
    });
    let section = section.or_else(|| enter(&family.frame));
    alone(family, thread::yield_now);
    drop(section);
}

/// Runs code in a nested section, as a call does.
fn nested(family: &Family, body: impl FnOnce()) {
    inside(family, || {
        if let Some(_section) = FramelessSection::try_enter(MANAGER, "key") {
            alone(family, || ());
            environment::run_as(FOREIGN_TASK, || {
                let foreign = FramelessSection::try_enter(MANAGER, "key");
                assert!(foreign.is_none(), "a task that the section did not call enters it");
            });
            alone(family, body);
        } else {
            let here = current().expect("the section around it");
            let mut section = enter(&here).expect("the section around it has the hold");
            section.run(|| alone(family, body));
        }
    });
}

/// Runs code inside the section around all siblings.
fn inside<R>(family: &Family, code: impl FnOnce() -> R) -> R {
    let mut frame = Some(Arc::clone(&family.frame));
    let _inside = ContextGuard::enter(&mut frame);
    let output = code();
    assert!(Arc::ptr_eq(&current().expect("the section around it"), &family.frame));
    output
}

/// Runs code that no sibling overlaps.
fn alone(family: &Family, code: impl FnOnce()) {
    assert_eq!(family.inside.fetch_add(1, Ordering::SeqCst), 0, "siblings overlap");
    code();
    family.inside.fetch_sub(1, Ordering::SeqCst);
}
