//! Events of a run, and a checker of the properties that a lock has to satisfy.
//!
//! A run, simulated or with real servers, records one [`Event`] for everything that a caller of the
//! library does or observes. [`check`] reads the history of one run and returns a [`Report`].
//! [`Trace`] prints a history for people, and [`lines`] sends events between processes.
//!
//! # What is checked
//!
//! The specification is the model of a re-entrant fenced mutex with which Jepsen tests Hazelcast's
//! `FencedLock`: one owner at a time, which may re-enter with its token, and each new owner has a
//! higher token than all before. Jepsen searches for an order of the calls that explains the
//! history. Here, holds record how long they are valid and tokens give the order, so each property
//! is checked in `O(n log n)`. The other properties are those of a lease: time, loss, order and
//! leaks.
//!
//! | [`Property`] | checked in | defined in |
//! | --- | --- | --- |
//! | [`TokensRise`](Property::TokensRise) | all runs by `Requested`, lossless ones also by `Acquired` | `check/tokens.rs` |
//! | [`TokensDistinct`](Property::TokensDistinct) | all runs | `check/tokens.rs` |
//! | [`Reentry`](Property::Reentry) | all runs | `check/reentry.rs` |
//! | [`MutualExclusion`](Property::MutualExclusion) | lossless runs; others count [`Report::double_holds`] | `check/exclusion.rs` |
//! | [`SiblingExclusion`](Property::SiblingExclusion) | all runs | `check/reentry.rs` |
//! | [`FencedRegister`](Property::FencedRegister) | all runs | `check/register.rs` |
//! | [`UnfencedCounter`](Property::UnfencedCounter) | lossless runs, keys without a write past its lease | `check/counter.rs` |
//! | [`Deadline`](Property::Deadline) | all runs, except during pauses, stalls and crashes | `check/deadlines.rs` |
//! | [`MustSucceed`](Property::MustSucceed) | all runs, except during pauses and crashes | `check/deadlines.rs` |
//! | [`LossReported`](Property::LossReported) | all runs, except during pauses, stalls and crashes | `check/loss.rs` |
//! | [`Takeover`](Property::Takeover) | after the last fault, crash or pause, if [`Rules::takeover`] | `check/takeover.rs` |
//! | [`BoundedBypass`](Property::BoundedBypass) | if [`Rules::max_bypass`], except during pauses and crashes | `check/bypass.rs` |
//! | [`NoLeak`](Property::NoLeak) | all runs | `check/leaks.rs` |
//! | [`WellFormed`](Property::WellFormed) | all runs: the history itself makes sense | `timeline/build.rs` |
//!
//! # What a history has to contain
//!
//! A history is complete: everything that began has ended, unless its process crashed or is paused.
//! A request that never ends is a violation even if the last event is before its deadline, because
//! a simulation without pending events stops there. Events may come in any order; those of one
//! process and instant keep their order. A process may restart under its name after a crash, which
//! ends its earlier requests.

mod check;
mod event;
pub mod lines;
mod property;
mod relative_time;
mod report;
mod rules;
mod timeline;
mod trace;
mod violation;

pub use check::check;
pub use event::{Event, EventKind, Nanos, Refusal, Request};
pub use property::Property;
pub use report::Report;
pub use rules::Rules;
pub use trace::Trace;
pub use violation::Violation;
