//! What happened to locks in a run, and the checker that proves that it was right.
//!
//! A run, simulated or with real servers, writes down one [`Event`] for everything that a caller of the library does or sees.

mod event;

pub use event::{Event, Nanos, Refusal, Request, What};
