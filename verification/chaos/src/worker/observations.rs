use std::sync::{Mutex, PoisonError};

/// Serialises the observations of a hold, which several threads make: a loss is recorded once, and
/// nothing is recorded after the release.
#[derive(Debug, Default)]
pub struct Observations {
    state: Mutex<HoldState>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum HoldState {
    #[default]
    Held,
    Lost,
    Released,
    LostAndReleased,
}

impl Observations {
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.with(|state| *state), HoldState::Lost | HoldState::LostAndReleased)
    }

    /// Records the loss, unless it was recorded or the section is over.
    pub(super) fn report_loss(&self, record: impl FnOnce()) {
        self.with(|state| {
            if *state == HoldState::Held {
                *state = HoldState::Lost;
                record();
            }
        });
    }

    /// Records an extension, unless the hold is over.
    pub(super) fn report_extension(&self, record: impl FnOnce()) {
        self.with(|state| {
            if *state == HoldState::Held {
                record();
            }
        });
    }

    pub(super) fn report_release(&self, record: impl FnOnce()) {
        self.with(|state| {
            *state = if *state == HoldState::Lost {
                HoldState::LostAndReleased
            } else {
                HoldState::Released
            };
            record();
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut HoldState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
