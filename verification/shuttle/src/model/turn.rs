//! Sibling sections under one hold: they take turns.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use distlock_runtime::verification::{Entered, Frame, Section};
use shuttle::sync::atomic::{AtomicU32, Ordering};
use shuttle::thread;

use crate::explore::{block_on, explore};
use crate::keeper::{Counts, hold};
use crate::process::{call_site, dawdle, join_all};

const MANAGER: u64 = 1;

/// What the siblings share: the section around them, and how many of them are inside.
struct Family {
    frame: Arc<Frame>,
    inside: AtomicU32,
}

/// They never overlap, and one that goes away while it waits passes its turn on.
pub fn siblings_take_turns() {
    explore(|| outlives_its_siblings(&[sibling, sibling, goes_away]), 800);
}

/// The section around them ends while they wait and run: whoever comes too late is told so, and the
/// turn is free again.
pub fn siblings_outlive_the_section_around_them() {
    explore(|| ends_before_its_siblings(&[sibling, sibling, goes_away]), 800);
}

fn outlives_its_siblings(siblings: &[fn(&Family)]) {
    let counts = Arc::default();
    let (section, family) = family(&counts);
    let threads = spawn(&family, siblings);
    join_all(threads);
    assert_eq!(counts.ends(), 0, "ended inside of the section");
    drop(section);
    assert_eq!(counts.ends(), 1);
}

fn ends_before_its_siblings(siblings: &[fn(&Family)]) {
    let counts = Arc::default();
    let (section, family) = family(&counts);
    let threads = spawn(&family, siblings);
    drop(section);
    join_all(threads);
    assert_eq!(counts.ends(), 1);
}

fn family(counts: &Arc<Counts>) -> (Section, Arc<Family>) {
    let (_, share) = hold(counts);
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

/// Runs a section nested in that of the family, and one in that.
fn sibling(family: &Family) {
    let mut frame = Some(Arc::clone(&family.frame));
    let inside = Entered::new(&mut frame);
    if let Some(section) = enter(&family.frame) {
        family.check_alone(section.frame());
    }
    drop(inside);
    assert!(distlock_runtime::verification::current().is_none(), "a frame was left in its thread");
}

impl Family {
    fn check_alone(&self, frame: &Arc<Frame>) {
        assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "siblings overlap");
        let nested = enter(frame).expect("the hold has a share of this section");
        assert!(nested.lease().fence() == self.frame.lease().fence());
        drop(nested);
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Re-enters as a call does; `None` where no ancestor has the hold any more.
fn enter(here: &Arc<Frame>) -> Option<Section> {
    let ancestor = here.find(MANAGER, "key")?;
    let section = Section::try_nested(here, ancestor);
    section.or_else(|| block_on(Section::nested(Arc::clone(here), Arc::clone(ancestor))))
}

/// Waits for a turn, and goes away.
fn goes_away(family: &Family) {
    let Some(ancestor) = family.frame.find(MANAGER, "key") else { return };
    let mut waits = pin!(Section::nested(Arc::clone(&family.frame), Arc::clone(ancestor)));
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(Some(section)) = waits.as_mut().poll(&mut context) {
        return family.check_alone(section.frame());
    }
    dawdle();
}
