//! A register that compares fencing tokens.

mod client;

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use checker::{Event, EventKind, Request};
use serde::{Deserialize, Serialize};

use crate::clock;

pub use client::RegisterClient;

/// A write as it travels.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Write {
    process: u32,
    task: u32,
    key: u32,
    request: Request,
    fence: u64,
}

/// A value for each key that only a token as high as all before it may write. It lives in the process that leads the run, so
/// that it survives whatever happens to the server of the lock and to the workers, and dates what it decides.
#[derive(Clone, Debug, Default)]
pub struct Register {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    highest: HashMap<u32, u64>,
    events: Vec<Event>,
    /// Connections by process.
    open: HashMap<u32, u32>,
    closed: bool,
}

impl Register {
    /// Listens on a socket until the process ends.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn listen(path: &Path) -> io::Result<Self> {
        let register = Self::default();
        let listener = UnixListener::bind(path)?;
        let served = register.clone();
        thread::Builder::new()
            .name("register".to_owned())
            .spawn(move || served.accept(&listener))?;
        Ok(register)
    }

    /// Stops listening.
    pub fn close(&self, path: &Path) {
        self.with(|state| state.closed = true);
        // One last connection, so that it is seen.
        drop(UnixStream::connect(path));
    }

    /// Whether everything that a process has sent is decided, now that it is gone.
    #[must_use]
    pub fn has_heard_all_of(&self, process: u32) -> bool {
        self.with(|state| state.open.get(&process).copied().unwrap_or(0) == 0)
    }

    /// What was written, accepted or not.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        self.with(|state| std::mem::take(&mut state.events))
    }

    fn accept(&self, listener: &UnixListener) {
        for stream in listener.incoming() {
            if self.with(|state| state.closed) {
                return;
            }
            let served = self.clone();
            if let Ok(stream) = stream {
                // It ends when the worker does, in whatever way.
                thread::spawn(move || served.serve(stream));
            }
        }
    }

    fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        let process = client::greeted(&mut stream)?;
        self.with(|state| *state.open.entry(process).or_default() += 1);
        let served = self.answer(stream);
        self.with(|state| *state.open.entry(process).or_default() -= 1);
        served
    }

    fn answer(&self, stream: UnixStream) -> io::Result<()> {
        let mut out = stream.try_clone()?;
        out.write_all(b"\n")?;
        for line in BufReader::new(stream).lines() {
            let accepted = self.decide(&serde_json::from_str(&line?)?);
            out.write_all(if accepted { b"y" } else { b"n" })?;
        }
        Ok(())
    }

    fn decide(&self, write: &Write) -> bool {
        self.with(|state| {
            let highest = state.highest.entry(write.key).or_default();
            let accepted = write.fence >= *highest;
            *highest = write.fence.max(*highest);
            let kind = EventKind::RegisterWrite { request: write.request, accepted };
            let (process, task) = (write.process, write.task);
            state.events.push(Event { at: clock::now(), process, task, kind });
            accepted
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use testkit::eventually;

    use super::*;

    #[test]
    fn a_lower_token_is_refused_and_a_process_that_is_gone_is_heard_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("register");
        let register = Register::listen(&path).unwrap();
        let client = RegisterClient::new(path.clone(), 3);
        let written = [5, 7, 6, 7].map(|fence| client.write(0, 1, fence, fence));
        assert_eq!(written, [true, true, false, true]);
        assert!(client.write(0, 2, 1, 1), "another key has tokens of its own");
        assert!(!register.has_heard_all_of(3));
        drop(client);
        eventually(Duration::from_secs(5), "heard", || register.has_heard_all_of(3));
        assert_eq!(register.take_events().len(), 5);
        register.close(&path);
    }
}
