//! Sibling sections under one hold run one at a time.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use distlock_runtime::verification::{ContextGuard, Frame, Section};
use shuttle::sync::atomic::{AtomicU32, Ordering};
use shuttle::thread;

use crate::counting_backend::{CountingBackend, hold};
use crate::explore::{block_on, explore};
use crate::process::{call_site, join_all, yield_randomly};

pub(super) const MANAGER: u64 = 1;

/// What siblings share: the enclosing section, and how many of them run.
pub(super) struct Family {
    pub(super) frame: Arc<Frame>,
    pub(super) inside: AtomicU32,
}

/// They never overlap. A sibling that is cancelled while it waits passes the wake-up on.
pub fn siblings_take_turns() {
    explore(|| outlives_its_siblings(&[sibling, sibling, cancels]), 800);
}

/// The enclosing section ends while siblings wait and run. A late sibling finds no hold and unlocks
/// the mutex again.
pub fn siblings_outlive_the_enclosing_section() {
    explore(|| ends_before_its_siblings(&[sibling, sibling, cancels]), 800);
}

pub(super) fn outlives_its_siblings(siblings: &[fn(&Family)]) {
    let backend = Arc::default();
    let (section, family) = family(&backend);
    let threads = spawn(&family, siblings);
    join_all(threads);
    assert_eq!(backend.releases(), 0, "released inside the section");
    let free = Section::try_reenter(&family.frame, &family.frame);
    assert!(free.is_some(), "a section has left the mutex locked");
    drop((free, section));
    assert_eq!(backend.releases(), 1);
}

fn ends_before_its_siblings(siblings: &[fn(&Family)]) {
    let backend = Arc::default();
    let (section, family) = family(&backend);
    let threads = spawn(&family, siblings);
    drop(section);
    join_all(threads);
    assert_eq!(backend.releases(), 1);
}

fn family(backend: &Arc<CountingBackend>) -> (Section, Arc<Family>) {
    let (_, share) = hold(backend);
    let section = Section::outermost(None, MANAGER, share, call_site());
    let frame = Arc::clone(section.frame());
    (section, Arc::new(Family { frame, inside: AtomicU32::new(0) }))
}

fn spawn(family: &Arc<Family>, siblings: &[fn(&Family)]) -> Vec<thread::JoinHandle<()>> {
    let spawn = |&sibling: &fn(&Family)| {
        let family = Arc::clone(family);
        thread::spawn(move || sibling(&family))
    };
    siblings.iter().map(spawn).collect()
}

/// Runs a nested section, and another one inside it.
pub(super) fn sibling(family: &Family) {
    let mut frame = Some(Arc::clone(&family.frame));
    let inside = ContextGuard::enter(&mut frame);
    if let Some(section) = enter(&family.frame) {
        family.check_alone(section.frame());
    }
    drop(inside);
    assert!(
        distlock_runtime::verification::current().is_none(),
        "a frame stayed in the thread-local"
    );
}

impl Family {
    fn check_alone(&self, frame: &Arc<Frame>) {
        assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "siblings overlap");
        let nested = enter(frame).expect("this section references the hold");
        assert!(nested.lease().fence() == self.frame.lease.fence());
        drop(nested);
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Re-enters as a call does. `None` if no ancestor has the hold any more.
pub(super) fn enter(here: &Arc<Frame>) -> Option<Section> {
    let ancestor = here.find(MANAGER, "key")?;
    let section = Section::try_reenter(here, ancestor);
    section.or_else(|| block_on(Section::reenter(Arc::clone(here), Arc::clone(ancestor))))
}

/// Waits for the mutex, and is cancelled.
pub(super) fn cancels(family: &Family) {
    let Some(ancestor) = family.frame.find(MANAGER, "key") else { return };
    let mut waits = pin!(Section::reenter(Arc::clone(&family.frame), Arc::clone(ancestor)));
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(Some(section)) = waits.as_mut().poll(&mut context) {
        return family.check_alone(section.frame());
    }
    yield_randomly();
}
