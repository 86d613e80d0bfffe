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

/// A write, as JSON on the socket.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Write {
    process: u32,
    task: u32,
    key: u32,
    request: Request,
    fence: u64,
}

/// Accepts a write to a key unless its token is lower than an earlier one. The register runs in the
/// leading process, so it survives faults of the server and of the workers, and stamps its
/// decisions.
#[derive(Clone, Debug, Default)]
pub struct Register {
    state: Arc<Mutex<RegisterState>>,
}

#[derive(Debug, Default)]
struct RegisterState {
    highest: HashMap<u32, u64>,
    events: Vec<Event>,
    /// Open connections by process.
    open: HashMap<u32, u32>,
    closed: bool,
}

impl Register {
    pub fn listen(path: &Path) -> io::Result<Self> {
        let register = Self::default();
        let listener = UnixListener::bind(path)?;
        let served = register.clone();
        thread::Builder::new()
            .name("register".to_owned())
            .spawn(move || served.accept(&listener))?;
        Ok(register)
    }

    pub fn close(&self, path: &Path) {
        self.with(|state| state.closed = true);
        // A last connection wakes the listener.
        drop(UnixStream::connect(path));
    }

    /// Whether all writes of a process that has ended are decided.
    #[must_use]
    pub fn has_processed_all_of(&self, process: u32) -> bool {
        self.with(|state| state.open.get(&process).copied().unwrap_or(0) == 0)
    }

    /// The writes, accepted and rejected.
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
                // The thread ends with the connection of the worker.
                thread::spawn(move || served.serve(stream));
            }
        }
    }

    fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        let process = client::read_process(&mut stream)?;
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

    fn with<T>(&self, act: impl FnOnce(&mut RegisterState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
