//! Holds the tests of `#[distributed_lock]` beside other attributes and frameworks; see `tests/`.
