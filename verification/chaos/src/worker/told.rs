//! Whether the loss of a hold was told.

use std::sync::{Mutex, PoisonError};

/// Whether the loss of a hold was told: once, and not when its section is over.
#[derive(Debug, Default)]
pub struct Told {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Inside,
    Lost,
    Left,
    LostAndLeft,
}

impl Told {
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.with(|state| *state), State::Lost | State::LostAndLeft)
    }

    /// Tells of the loss, unless somebody has, or the section is over.
    pub(super) fn lose(&self, tell: impl FnOnce()) {
        self.with(|state| {
            if *state == State::Inside {
                *state = State::Lost;
                tell();
            }
        });
    }

    /// Tells of something that is so while the hold is there.
    pub(super) fn extend(&self, tell: impl FnOnce()) {
        self.with(|state| {
            if *state == State::Inside {
                tell();
            }
        });
    }

    /// Tells of the end of the section.
    pub(super) fn leave(&self, tell: impl FnOnce()) {
        self.with(|state| {
            *state = if *state == State::Lost { State::LostAndLeft } else { State::Left };
            tell();
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_once_and_not_after_the_end() {
        let told = Told::default();
        let mut times = 0;
        told.lose(|| times += 1);
        told.lose(|| times += 1);
        told.leave(|| {});
        assert!(told.is_lost() && times == 1);
        let told = Told::default();
        told.leave(|| {});
        told.lose(|| times += 1);
        assert!(!told.is_lost() && times == 1);
    }
}
