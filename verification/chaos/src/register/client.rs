use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use checker::Request;

use super::Write;

/// Writes to the register, from any thread.
#[derive(Debug)]
pub struct RegisterClient {
    path: PathBuf,
    process: u32,
    idle: Mutex<Vec<UnixStream>>,
}

impl RegisterClient {
    #[must_use]
    pub fn new(path: PathBuf, process: u32) -> Self {
        Self { path, process, idle: Mutex::default() }
    }

    /// Writes with this token. Returns whether the register accepted it.
    ///
    /// # Panics
    /// If the leading process has ended.
    pub fn write(&self, task: u32, key: u32, request: Request, fence: u64) -> bool {
        let write = Write { process: self.process, task, key, request, fence };
        let mut line = serde_json::to_vec(&write).expect("numbers can be written");
        line.push(b'\n');
        let mut stream = self.with(Vec::pop).unwrap_or_else(|| self.connect());
        stream.write_all(&line).expect("the register listens");
        let mut answer = [0];
        stream.read_exact(&mut answer).expect("the register answers");
        self.with(|idle| idle.push(stream));
        answer == *b"y"
    }

    fn connect(&self) -> UnixStream {
        let mut stream = UnixStream::connect(&self.path).expect("the register listens");
        stream.write_all(&self.process.to_le_bytes()).expect("the register listens");
        stream.read_exact(&mut [0]).expect("the register greets");
        stream
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<UnixStream>) -> T) -> T {
        act(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads the process number, the first message of a connection.
pub(super) fn read_process(stream: &mut UnixStream) -> io::Result<u32> {
    let mut process = [0; 4];
    stream.read_exact(&mut process)?;
    Ok(u32::from_le_bytes(process))
}
