//! The gate of a connection, which holds, drops or passes its data.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The decision about data to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Free,
    Swallowed,
    Closed,
}

/// Where the connection leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Route {
    #[default]
    Through,
    Hole,
    /// Into the black hole, and data was dropped, so the connection cannot continue.
    Loss,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    frozen: bool,
    route: Route,
}

/// The state of one connection, and waiting for it to change.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    /// A gate of a connection that was opened into the black hole.
    pub(crate) fn into_the_hole() -> Self {
        let gate = Self::default();
        gate.change(|state| state.route = Route::Loss);
        gate
    }

    pub(crate) fn set_frozen(&self, on: bool) {
        self.change(|state| state.frozen = on);
    }

    pub(crate) fn frozen(&self) -> bool {
        self.lock().frozen
    }

    pub(crate) fn enter_hole(&self) {
        self.change(|state| {
            if state.route == Route::Through {
                state.route = Route::Hole;
            }
        });
    }

    /// Opens the gate, or closes it permanently if data was dropped.
    pub(crate) fn leave_hole(&self) -> Passage {
        self.change(|state| {
            state.closed |= state.route == Route::Loss;
            state.route = Route::Through;
            if state.closed { Passage::Closed } else { Passage::Free }
        })
    }

    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Waits for the time of delivery, and while the connection is frozen.
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
            } else if state.route != Route::Through {
                state.route = Route::Loss;
                return Passage::Swallowed;
            } else {
                return Passage::Free;
            }
        }
    }

    /// For the end of a stream, which cannot be dropped: also waits until the black hole ends.
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
        drop(
            self.changed.wait_while(state, |state| state.route != Route::Through && !state.closed),
        );
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

    fn change<T>(&self, how: impl FnOnce(&mut State) -> T) -> T {
        let result = how(&mut self.lock());
        self.changed.notify_all();
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
