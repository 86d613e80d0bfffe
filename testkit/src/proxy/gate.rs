//! What every byte of a connection has to pass: held, swallowed or let through.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the gate says to something that is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Free,
    Swallowed,
    Closed,
}

#[derive(Debug, Default)]
struct State {
    frozen: bool,
    hole: bool,
    closed: bool,
    /// Something was swallowed: the two sides disagree from here on.
    lost: bool,
}

/// The state of one connection, and waiting for it to change.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    /// A gate that swallows everything.
    pub(crate) fn into_the_hole() -> Self {
        let gate = Self::default();
        gate.change(|state| (state.hole, state.lost) = (true, true));
        gate
    }

    pub(crate) fn set_frozen(&self, on: bool) {
        self.change(|state| state.frozen = on);
    }

    /// Whether the connection has lost something by the time the hole is left.
    pub(crate) fn set_hole(&self, on: bool) -> bool {
        self.change(|state| state.hole = on);
        !on && self.lock().lost
    }

    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    pub(crate) fn frozen(&self) -> bool {
        self.lock().frozen
    }

    /// Waits for the time of delivery, and until nothing is held.
    pub(crate) fn pass(&self, due: Instant) -> Passage {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.closed {
                return Passage::Closed;
            } else if now < due {
                state = self.wait_until(state, due - now);
            } else if state.frozen {
                state = self.wait(state);
            } else if state.hole {
                state.lost = true;
                return Passage::Swallowed;
            } else {
                return Passage::Free;
            }
        }
    }

    /// For the end of a stream, which cannot be swallowed: waits until the hole is left, too.
    pub(crate) fn pass_end(&self, due: Instant) -> Passage {
        loop {
            match self.pass(due) {
                Passage::Swallowed => self.wait_while_in_the_hole(),
                passage => return passage,
            }
        }
    }

    fn wait_while_in_the_hole(&self) {
        let state = self.lock();
        drop(self.changed.wait_while(state, |state| state.hole && !state.closed));
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until<'a>(
        &self,
        state: MutexGuard<'a, State>,
        limit: Duration,
    ) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
