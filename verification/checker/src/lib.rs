//! What happened to locks in a run, and the checker that proves that it was right.
//!
//! A run, simulated or with real servers, writes down one [`Event`] for everything that a caller of the library does or sees.
//! [`check`] reads the history of one run and gives a [`Report`]; [`Story`] prints a history for people; [`lines`] hands
//! events over between processes.
//!
//! # What is proven
//!
//! The specification is the model of the re-entrant fenced mutex with which Jepsen tests Hazelcast's `FencedLock`: one owner
//! at a time, which may enter again under the token it has, each new owner under a higher token than all before. That model
//! searches for an order of the calls that explains them; here holds carry their validity and tokens name the order, so that
//! each property can be read off in `O(n log n)`. To these come the properties of a lease: time, loss, order and leftovers.
//!
//! | [`Property`] | holds in | stated exactly in |
//! | --- | --- | --- |
//! | [`TokensRise`](Property::TokensRise) | all runs by `Asked`, lossless ones also by `Entered` | `check/tokens.rs` |
//! | [`TokensDistinct`](Property::TokensDistinct) | all runs | `check/tokens.rs` |
//! | [`Reentry`](Property::Reentry) | all runs | `check/reentry.rs` |
//! | [`Disjoint`](Property::Disjoint) | lossless runs; others count [`Report::double_holds`] | `check/validity.rs` |
//! | [`Siblings`](Property::Siblings) | all runs | `check/reentry.rs` |
//! | [`Register`](Property::Register) | all runs | `check/register.rs` |
//! | [`Counter`](Property::Counter) | lossless runs, keys without a write past its lease | `check/counter.rs` |
//! | [`Deadline`](Property::Deadline) | all runs; pauses and crashes excuse | `check/deadlines.rs` |
//! | [`Surely`](Property::Surely) | all runs; pauses and crashes excuse | `check/deadlines.rs` |
//! | [`Told`](Property::Told) | all runs; pauses and crashes excuse | `check/told.rs` |
//! | [`Takeover`](Property::Takeover) | after the last fault, crash or pause, if [`Rules::takeover`] | `check/takeover.rs` |
//! | [`PassedOver`](Property::PassedOver) | if [`Rules::passed_over`]; pauses and crashes excuse | `check/order.rs` |
//! | [`Leftover`](Property::Leftover) | all runs | `check/leftover.rs` |
//! | [`Malformed`](Property::Malformed) | all runs: the history itself makes sense | `timeline/build.rs` |
//!
//! # What a history has to be
//!
//! Whole: whatever began has ended when it stops, or its process crashed or stands still. A request that is never answered is
//! a violation even if the last event is dated before its deadline, because a simulation that has run dry stops there.
//! Events may come in any order; those of one process and instant keep the order they have. A process may start again under
//! its name after it crashed; what it had asked for before is gone.

mod check;
mod event;
pub mod lines;
mod moment;
mod property;
mod report;
mod rules;
mod story;
mod timeline;
mod violation;

pub use check::check;
pub use event::{Event, Nanos, Refusal, Request, What};
pub use property::Property;
pub use report::Report;
pub use rules::Rules;
pub use story::Story;
pub use violation::Violation;
