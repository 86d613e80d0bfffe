//! What sockets and signals are under a model checker, whose scheduler decides at each step who
//! runs next.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use shuttle::future::block_on;

use crate::types::environment::{Mutex, MutexGuard, wake_at};
use crate::types::time::{self, Timestamp};

/// Something that becomes ready, and those who wait for that.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Ready>>);

#[derive(Debug, Default)]
struct Ready {
    ready: bool,
    watches: u64,
    waiting: BTreeMap<u64, Waker>,
}

/// One that waits for it, until this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    of: Readiness,
    number: u64,
}

impl Readiness {
    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self) {
        let mut state = self.lock();
        state.ready = true;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }

    pub(super) fn reset(&self) {
        self.lock().ready = false;
    }

    pub(crate) fn watch(&self) -> Watch {
        let mut state = self.lock();
        state.watches += 1;
        Watch { of: self.clone(), number: state.watches }
    }
}

impl Watch {
    /// Whether it is ready. If not, the waker is woken when it is.
    pub(crate) fn is_ready(&self, context: &Context<'_>) -> bool {
        let mut state = self.of.lock();
        if !state.ready {
            state.waiting.insert(self.number, context.waker().clone());
        }
        state.ready
    }

    pub(crate) fn end(self) -> Readiness {
        self.of.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.of.lock().waiting.remove(&self.number);
    }
}

/// A signal.
#[derive(Debug, Default)]
pub(super) struct ModelledSignal(Readiness);

impl ModelledSignal {
    #[expect(clippy::unnecessary_wraps, reason = "signals of the system can fail")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    #[expect(clippy::unnecessary_wraps, reason = "signals of the system can fail")]
    pub(super) fn put(&self) -> io::Result<()> {
        self.0.set();
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "signals of the system can fail")]
    pub(super) fn take(&self) -> io::Result<()> {
        self.0.reset();
        Ok(())
    }
}

/// Blocks until the socket is ready, a signal comes, or the time is over. Returns whether the
/// socket is ready, and whether a signal has come.
pub(super) fn wait(
    socket: Option<&Readiness>,
    signal: &ModelledSignal,
    until: Option<Timestamp>,
) -> (bool, bool) {
    let (socket, signal) = (socket.map(Readiness::watch), signal.0.watch());
    let mut alarm = until;
    block_on(poll_fn(|context| {
        if let Some(until) = alarm.take() {
            wake_at(until, context.waker().clone());
        }
        let ready = socket.as_ref().is_some_and(|socket| socket.is_ready(context));
        let signalled = signal.is_ready(context);
        let over = until.is_some_and(|until| until <= time::now());
        if ready || signalled || over { Poll::Ready((ready, signalled)) } else { Poll::Pending }
    }))
}
