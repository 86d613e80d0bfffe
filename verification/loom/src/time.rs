//! A clock that stands still: nothing here is about time.

pub(crate) use clock::Timestamp;

#[path = "../../../lock-runtime/src/types/time.rs"]
mod clock;

pub(crate) fn now() -> Timestamp {
    Timestamp::ZERO
}
