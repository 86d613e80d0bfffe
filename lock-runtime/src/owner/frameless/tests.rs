//! Nested calls of one key, whose sections have no frame until code looks.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::acquire::options::Options;
use crate::api::hold::current;
use crate::api::manager::LockManager;
use crate::error::LockError;
use crate::link::wait::block_on;
use crate::macro_support::call::{Call, call};
use crate::macro_support::call_setup::LockedFn;
use crate::owner::context;
use crate::owner::frame::Frame;
use crate::protocol::request::Loss;

/// A call that would have to wait fails.
const AT_ONCE: Options = Options { wait: Some(Duration::ZERO), ..Options::DEFAULT };

static NESTED: LockedFn = LockedFn::new("tests", "nested", "nested", AT_ONCE);
static PATIENT: LockedFn = LockedFn::new("tests", "patient", "nested", Options::DEFAULT);
static OTHER: LockedFn = LockedFn::new("tests", "other", "other", AT_ONCE);
static NOT_REENTRANT: LockedFn = {
    let options = Options { reenter: Some(false), ..AT_ONCE };
    LockedFn::new("tests", "not_reentrant", "nested", options)
};

type Called<R> = Result<R, LockError>;

/// A manager whose keys no other test knows.
fn manager() -> LockManager {
    LockManager::connect(&format!("memory://{:?}", thread::current().id())).expect("a valid URL")
}

fn called<R>(site: &'static LockedFn, locks: &LockManager) -> Call<Called<R>> {
    let mut call = call(site, &[format_args!("{}", site_key(site))]);
    call.manager(locks);
    call
}

fn site_key(site: &LockedFn) -> &'static str {
    if std::ptr::eq(site, &raw const OTHER) { "other" } else { "nested" }
}

fn try_nested<R>(locks: &LockManager, body: impl FnOnce() -> R) -> Called<R> {
    called(&NESTED, locks).run(|| Ok(body()))
}

fn nested<R>(locks: &LockManager, body: impl FnOnce() -> R) -> R {
    try_nested(locks, body).expect("it has the lock, or can enter it")
}

fn other<R>(locks: &LockManager, body: impl FnOnce() -> R) -> R {
    called(&OTHER, locks).run(|| Ok(body())).expect("it is free")
}

async fn nested_async<F: Future>(locks: &LockManager, make: impl FnOnce() -> F) -> F::Output {
    let call = called(&NESTED, locks);
    call.run_async(|| async { Ok(make().await) }).await.expect("it can enter")
}

fn depth() -> usize {
    current().expect("a hold is around this code").depth()
}

fn frame() -> Arc<Frame> {
    context::current().expect("a hold is around this code")
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// No section runs inside the innermost one.
fn assert_free(locks: &LockManager, around: usize) {
    assert_eq!(nested(locks, depth), around + 1);
    assert_eq!(depth(), around);
}

/// A section that was entered before still runs.
fn assert_occupied(locks: &LockManager) {
    let refused = try_nested(locks, || ());
    assert!(matches!(refused, Err(LockError::Busy(_))), "{refused:?}");
}

/// Notes the depth at its drop.
struct Witness<'a>(&'a Mutex<Vec<usize>>);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        let depth = current().map_or(0, |hold| hold.depth());
        self.0.lock().expect("no panic").push(depth);
    }
}

fn taken(seen: &Mutex<Vec<usize>>) -> Vec<usize> {
    std::mem::take(&mut seen.lock().expect("no panic"))
}

#[test]
fn a_look_sees_a_frame_for_each_section() {
    let locks = manager();
    nested(&locks, || {
        let outermost = frame();
        nested(&locks, || {
            nested(&locks, || {
                let innermost = frame();
                assert!(Arc::ptr_eq(&innermost, &frame()), "each section has one frame");
                assert_eq!(depth(), 3);
                assert_free(&locks, 3);
                assert!(Arc::ptr_eq(&innermost, &frame()));
            });
            assert_eq!(depth(), 2);
            assert_free(&locks, 2);
        });
        assert!(Arc::ptr_eq(&outermost, &frame()));
        assert_free(&locks, 1);
    });
    assert!(current().is_none());
}

#[test]
fn the_frames_that_a_look_makes_keep_siblings_out() {
    let locks = manager();
    nested(&locks, || {
        let outermost = frame();
        nested(&locks, || {
            nested(&locks, || {
                let innermost = frame();
                let middle = innermost.parent.as_ref().expect("two sections are around it");
                for (around, inside) in [(&outermost, middle), (middle, &innermost)] {
                    assert!(!around.siblings().try_lock());
                    assert!(inside.is_running_child_of(around));
                    assert!(around.running_child().is_some());
                }
                assert!(innermost.running_child().is_none());
            });
        });
        assert!(outermost.siblings().try_lock() && outermost.running_child().is_none());
        outermost.siblings().unlock();
    });
}

#[test]
fn looks_on_the_way_in_and_out_of_many_levels_agree() {
    fn descend(locks: &LockManager, level: usize) {
        let looks_at = |every| level.is_multiple_of(every);
        nested(locks, || {
            assert!(!looks_at(7) || depth() == level);
            if level < 100 {
                descend(locks, level + 1);
            }
            assert!(!looks_at(5) || depth() == level);
        });
    }
    let locks = manager();
    descend(&locks, 1);
    assert!(current().is_none());
    nested(&locks, || assert_free(&locks, 1));
}

#[test]
fn a_call_of_another_key_is_inside_all_sections_around_it() {
    let locks = manager();
    nested(&locks, || {
        nested(&locks, || {
            other(&locks, || {
                let hold = current().expect("a hold");
                assert_eq!((hold.key(), hold.depth()), ("other", 1));
                assert_eq!(hold.for_key("nested").expect("around it").depth(), 2);
                assert_eq!(nested(&locks, || nested(&locks, depth)), 4);
            });
            assert_free(&locks, 2);
        });
        assert_free(&locks, 1);
    });
}

#[test]
fn a_guard_that_is_entered_is_inside_all_sections_around_it() {
    let locks = manager();
    nested(&locks, || {
        nested(&locks, || {
            let guard = locks.mutex("nested").acquire_blocking().expect("it re-enters");
            assert_eq!(guard.hold().depth(), 3);
            guard.enter(|| assert_free(&locks, 3));
            assert_occupied(&locks);
            drop(guard);
            assert_free(&locks, 2);
        });
        assert_free(&locks, 1);
    });
}

#[test]
fn a_body_that_waits_keeps_siblings_out_until_it_ends() {
    let locks = manager();
    nested(&locks, || {
        let (mut polls, locks) = (0, &locks);
        let waits = || {
            poll_fn(move |_| {
                polls += 1;
                assert_free(locks, 2);
                if polls < 3 { Poll::Pending } else { Poll::Ready(depth()) }
            })
        };
        let mut waits = pin!(nested_async(locks, waits));
        for _ in 0..2 {
            assert!(poll_once(waits.as_mut()).is_pending());
            assert_eq!(depth(), 1);
            assert_occupied(locks);
        }
        assert_eq!(poll_once(waits.as_mut()), Poll::Ready(2));
        assert_free(locks, 1);
    });
}

#[test]
fn a_body_that_waits_outlives_the_section_of_its_first_poll() {
    let locks = manager();
    let seen = Mutex::default();
    nested(&locks, || {
        let waits = || async {
            let _witness = Witness(&seen);
            pending::<()>().await;
        };
        let mut waits = Box::pin(nested_async(&locks, waits));
        nested(&locks, || {
            nested(&locks, || assert!(poll_once(waits.as_mut()).is_pending()));
            assert_free(&locks, 2);
        });
        assert_free(&locks, 1);
        drop(waits);
        assert_eq!(taken(&seen), [4], "it is dropped inside its section");
        assert_free(&locks, 1);
    });
}

#[test]
fn siblings_of_one_poll_run_one_after_the_other() {
    let locks = manager();
    nested(&locks, || {
        let both = nested_async(&locks, || async {
            let mut one = pin!(nested_async(&locks, pending::<()>));
            assert!(poll_once(one.as_mut()).is_pending());
            let two = called::<()>(&NESTED, &locks).run_async(|| async { Ok(()) }).await;
            assert!(matches!(two, Err(LockError::Busy(_))), "{two:?}");
            depth()
        });
        assert_eq!(poll_once(pin!(both)), Poll::Ready(2));
        assert_free(&locks, 1);
    });
}

#[test]
fn a_dropped_body_ends_its_section() {
    let locks = manager();
    let seen = Mutex::default();
    nested(&locks, || {
        let waits = || async {
            let _witness = Witness(&seen);
            pending::<()>().await;
        };
        let mut waits = Box::pin(nested_async(&locks, waits));
        assert!(poll_once(waits.as_mut()).is_pending());
        assert_occupied(&locks);
        drop(waits);
        assert_eq!(taken(&seen), [2]);
        assert_free(&locks, 1);
        drop(Box::pin(nested_async(&locks, pending::<()>)));
        assert_free(&locks, 1);
    });
}

/// Its drop ends the section. An async fn drops what it awaits while it unwinds.
#[test]
fn a_panic_in_the_first_poll_leaves_the_section_to_the_future() {
    let locks = manager();
    let seen = Mutex::default();
    for looks in [false, true] {
        let fails = || async {
            let _witness = Witness(&seen);
            assert!(looks && depth() == 0, "on purpose");
        };
        nested(&locks, || {
            let bare = called(&NESTED, &locks).run_async(|| async {
                fails().await;
                Ok(())
            });
            let mut bare = Box::pin(bare);
            let polled = catch_unwind(AssertUnwindSafe(|| poll_once(bare.as_mut())));
            assert!(polled.is_err(), "it fails");
            assert_eq!(depth(), 1);
            assert_occupied(&locks);
            drop(bare);
            assert_eq!(taken(&seen), [2]);
            assert_free(&locks, 1);

            let awaited = || poll_once(pin!(nested_async(&locks, fails)));
            catch_unwind(AssertUnwindSafe(awaited)).expect_err("it fails");
            assert_eq!(taken(&seen), [2]);
            assert_free(&locks, 1);
        });
    }
}

#[test]
fn a_panic_ends_a_sync_section() {
    let locks = manager();
    for looks in [false, true] {
        nested(&locks, || {
            nested(&locks, || {
                let fails = || nested(&locks, || assert!(looks && depth() == 0, "on purpose"));
                catch_unwind(AssertUnwindSafe(fails)).expect_err("it fails");
                assert_free(&locks, 2);
            });
            assert_free(&locks, 1);
        });
    }
}

#[test]
fn what_a_completed_body_leaves_is_dropped_inside_its_section() {
    let locks = manager();
    let seen = Mutex::default();
    nested(&locks, || {
        for polls in 1..4 {
            let make = || {
                let (left, mut polled) = (Witness(&seen), 0);
                poll_fn(move |_| {
                    let _left = &left;
                    polled += 1;
                    if polled < polls { Poll::Pending } else { Poll::Ready(Ok(())) }
                })
            };
            let mut call = Box::pin(called::<()>(&NESTED, &locks).run_async(make));
            (1..polls).for_each(|_| assert!(poll_once(call.as_mut()).is_pending()));
            assert!(poll_once(call.as_mut()).is_ready());
            assert_eq!(taken(&seen), [2]);
            assert_free(&locks, 1);
        }
    });
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_section_without_a_frame_wakes_the_sibling_that_waits_for_it() {
    let locks = manager();
    for looks in [false, true] {
        nested(&locks, || {
            let share = current().expect("a hold").share().expect("it is held");
            let call = called::<usize>(&PATIENT, &locks);
            let mut waits = Box::pin(share.scope(call.run_async(|| async { Ok(depth()) })));
            let woken = Arc::new(Flag(AtomicBool::new(false)));
            let mut poll = || {
                let waker = Waker::from(Arc::clone(&woken));
                let poll = || waits.as_mut().poll(&mut Context::from_waker(&waker));
                thread::scope(|scope| scope.spawn(poll).join().expect("no panic"))
            };
            nested(&locks, || {
                nested(&locks, || {
                    assert!(poll().is_pending(), "a sibling runs");
                    assert!(!looks || depth() == 3);
                });
                assert!(!woken.0.load(Ordering::SeqCst));
            });
            assert!(woken.0.load(Ordering::SeqCst));
            let Poll::Ready(seen) = poll() else { panic!("it is its turn") };
            assert_eq!(seen.expect("it re-enters"), 2);
            assert_free(&locks, 1);
        });
    }
}

#[test]
fn a_shared_hold_takes_turns_with_sections_without_a_frame() {
    let locks = manager();
    nested(&locks, || {
        let share = current().expect("a hold").share().expect("it is held");
        let elsewhere = |refused: bool| {
            let calls = || share.run(|| try_nested(&locks, || nested(&locks, || ())));
            let called = thread::scope(|scope| scope.spawn(calls).join().expect("no panic"));
            assert_eq!(matches!(called, Err(LockError::Busy(_))), refused, "{called:?}");
        };
        elsewhere(false);
        nested(&locks, || {
            elsewhere(true);
            nested(&locks, || elsewhere(true));
            elsewhere(true);
        });
        elsewhere(false);
    });
}

#[test]
fn a_loss_is_an_error_of_the_section_that_it_happens_in() {
    let locks = manager();
    for (looks, asynchronous) in [(false, false), (true, false), (false, true), (true, true)] {
        let outer = try_nested(&locks, || {
            let lease = Arc::clone(&frame().lease);
            let body = || {
                assert!(!looks || depth() == 2);
                lease.mark_lost(Loss::Expired);
                let refused = try_nested(&locks, || panic!("its hold is lost"));
                assert!(matches!(refused, Err(LockError::Lost(_))));
            };
            let inner = if asynchronous {
                let call = called(&NESTED, &locks);
                block_on(call.run_async(|| async {
                    body();
                    Ok(())
                }))
            } else {
                try_nested(&locks, body)
            };
            assert!(matches!(inner, Err(LockError::Lost(_))), "{inner:?}");
            assert_eq!(depth(), 1);
        });
        assert!(matches!(outer, Err(LockError::Lost(_))), "{outer:?}");
        assert!(current().is_none());
    }
}

#[test]
fn a_call_that_may_not_re_enter_is_refused_in_a_section_without_a_frame() {
    let locks = manager();
    nested(&locks, || {
        nested(&locks, || {
            let refused = called::<()>(&NOT_REENTRANT, &locks).run(|| panic!("it may not enter"));
            assert!(matches!(refused, Err(LockError::Deadlock(_))), "{refused:?}");
            assert_free(&locks, 2);
        });
    });
}

#[test]
fn a_longer_ttl_counts_for_a_section_without_a_frame_too() {
    let locks = manager();
    nested(&locks, || {
        let mut longer = called::<usize>(&NESTED, &locks);
        longer.ttl(Duration::from_secs(20 * 24 * 60 * 60));
        assert_eq!(longer.run(|| Ok(depth())).expect("it re-enters"), 2);
        let mut invalid = called::<()>(&NESTED, &locks);
        invalid.ttl(Duration::ZERO);
        let refused = nested(&locks, || invalid.run(|| panic!("a ttl of nothing")));
        assert!(matches!(refused, Err(LockError::Config(_))), "{refused:?}");
    });
}

/// Code of another task that an executor runs on the stack of a section has nothing to do with it.
#[test]
fn a_foreign_task_does_not_enter_on_top_of_a_section_without_a_frame() {
    let locks = manager();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    nested(&locks, || {
        let foreign = |looks: bool| {
            let there = locks.clone();
            runtime.spawn(async move {
                assert!(!looks || current().is_none());
                assert_occupied(&there);
                let busy = called::<()>(&NESTED, &there).run_async(|| async { Ok(()) }).await;
                assert!(matches!(busy, Err(LockError::Busy(_))), "{busy:?}");
                other(&there, || {
                    assert_occupied(&there);
                    assert!(current().expect("its own").for_key("nested").is_none());
                });
                assert!(current().is_none());
            })
        };
        nested(&locks, || {
            nested(&locks, || {
                for looks in [false, true] {
                    runtime.block_on(foreign(looks)).expect("it contends");
                    assert_free(&locks, 3);
                }
            });
            runtime.block_on(foreign(false)).expect("it contends");
        });
        runtime.block_on(foreign(false)).expect("it contends");
        assert_free(&locks, 1);
    });
}

#[test]
fn another_manager_s_key_of_that_name_is_another_lock() {
    let (locks, others) = (manager(), LockManager::connect("memory://others").expect("valid"));
    nested(&locks, || {
        nested(&locks, || {
            nested(&others, || assert_eq!(depth(), 1));
            assert_free(&locks, 2);
        });
    });
}
