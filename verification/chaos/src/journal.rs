use std::fs::File;
use std::io;
use std::path::Path;

use checker::{Event, EventKind, Nanos, lines};

use crate::clock;

/// A file of events. Each event is one write, so a killed process loses none.
#[derive(Debug)]
pub struct Journal {
    file: File,
    process: u32,
}

impl Journal {
    pub fn create(path: &Path, process: u32) -> io::Result<Self> {
        let file = File::options().create_new(true).append(true).open(path)?;
        Ok(Self { file, process })
    }

    /// Records an event with the current time.
    pub fn write(&self, task: u32, kind: EventKind) {
        self.write_at(clock::now(), task, kind);
    }

    /// Writes down what was so then.
    pub fn write_at(&self, at: Nanos, task: u32, kind: EventKind) {
        let event = Event { at, process: self.process, task, kind };
        lines::write(&mut &self.file, &event).expect("a journal can be written to");
    }
}
