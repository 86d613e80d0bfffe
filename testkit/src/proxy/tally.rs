//! Counts requests by command.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::exchange::is_request;
use super::frame::Frame;

/// Counts by command name, in upper case.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    pub(crate) fn count(&self, frame: &Frame) {
        if is_request(frame) {
            *self.lock().entry(frame.word.clone()).or_default() += 1;
        }
    }

    pub(crate) fn all(&self) -> u64 {
        self.lock().values().sum()
    }

    pub(crate) fn of(&self, command: &str) -> u64 {
        self.lock().get(&command.to_ascii_uppercase()).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
