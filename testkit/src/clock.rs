//! The wall clock of one server, which a test can set.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SOURCE: &str = include_str!("clock.c");
const LIBRARY: &str = "clock.so";
const FILE: &str = "clock";
/// `struct setting` of the shim: three numbers of eight bytes.
const SETTING_SIZE: u64 = 24;
/// The number before them, which selects the current one of the two.
const CURRENT_SIZE: u64 = 8;

/// The clock of a server, relative to the system clock. It survives restarts of the server.
///
/// Only the wall clock moves. Redis measures expiry and the timeouts of blocked clients by it.
#[derive(Debug)]
pub struct ServerClock {
    file: File,
    setting: Mutex<Setting>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Setting {
    current: u8,
    /// In nanoseconds.
    offset: i64,
    /// In millionths, from `since` on.
    drift: i64,
    /// In nanoseconds of the system's clock.
    since: i64,
}

impl ServerClock {
    /// A clock that shows the system time, for a server in this directory.
    pub(crate) fn new(dir: &Path) -> io::Result<Self> {
        fs::write(dir.join(LIBRARY), library()?)?;
        let file = File::create(dir.join(FILE))?;
        file.set_len(CURRENT_SIZE + 2 * SETTING_SIZE)?;
        Ok(Self { file, setting: Mutex::default() })
    }

    /// Makes a command see this clock.
    pub(crate) fn attach(command: &mut Command, dir: &Path) {
        command.env("LD_PRELOAD", dir.join(LIBRARY)).env("TESTKIT_CLOCK", dir.join(FILE));
    }

    /// Moves the clock into the future, at once.
    pub fn jump_ahead(&self, span: Duration) {
        self.change(|setting| setting.offset += nanoseconds(span));
    }

    /// Moves the clock into the past, at once.
    pub fn jump_back(&self, span: Duration) {
        self.change(|setting| setting.offset -= nanoseconds(span));
    }

    /// Lets the clock run faster from now on by this many parts per million, or slower by a
    /// negative number. Zero stops the drift and keeps the offset.
    pub fn drift(&self, millionths: i64) {
        self.change(|setting| setting.drift = millionths);
    }

    /// Resets the clock to the system time, without drift.
    pub fn reset(&self) {
        self.change(|setting| (setting.offset, setting.drift) = (0, 0));
    }

    /// The offset from the system clock in nanoseconds; negative if the clock is behind.
    #[must_use]
    pub fn offset(&self) -> i64 {
        let mut setting = *self.setting();
        setting.settle();
        setting.offset
    }

    fn change(&self, how: impl FnOnce(&mut Setting)) {
        let mut setting = self.setting();
        setting.settle();
        how(&mut setting);
        setting.write(&self.file).expect("the file of a clock is open for writing");
    }

    fn setting(&self) -> MutexGuard<'_, Setting> {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Setting {
    /// Converts the drift so far to an offset.
    fn settle(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = nanoseconds(now.expect("the system's clock is set"));
        self.offset += (now - self.since) / 1_000 * self.drift / 1_000;
        self.since = now;
    }

    /// Writes the setting that the server does not read, then selects it with a single byte.
    fn write(&mut self, file: &File) -> io::Result<()> {
        self.current ^= 1;
        let at = CURRENT_SIZE + SETTING_SIZE * u64::from(self.current);
        let numbers = [self.offset, self.drift, self.since];
        file.write_all_at(&numbers.map(i64::to_ne_bytes).concat(), at)?;
        let current = i64::from(self.current).to_ne_bytes();
        file.write_all_at(&current, 0)
    }
}

fn nanoseconds(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).expect("a span of less than 292 years")
}

/// The shim, compiled once per process. Its bytes are kept instead of a path, because no code would
/// remove a directory at the end.
fn library() -> io::Result<&'static [u8]> {
    static LIBRARY: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let compiled = LIBRARY.get_or_init(|| compile().map_err(|error| error.to_string()));
    compiled.as_deref().map_err(|text| io::Error::other(text.as_str()))
}

fn compile() -> io::Result<Vec<u8>> {
    let dir = tempfile::Builder::new().prefix("testkit-clock-").tempdir()?;
    let (source, library) = (dir.path().join("clock.c"), dir.path().join(LIBRARY));
    fs::write(&source, SOURCE)?;
    run_compiler("cc", &source, &library)?;
    fs::read(&library)
}

fn run_compiler(compiler: &str, source: &Path, library: &Path) -> io::Result<()> {
    let mut command = Command::new(compiler);
    command.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o"]).arg(library).arg(source);
    let output = command.output().map_err(|error| explain(compiler, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`{compiler}` did not compile the clock of a server:\n{text}")))
}

fn explain(compiler: &str, error: &io::Error) -> io::Error {
    let text = format!(
        "the clock of a server needs the C compiler `{compiler}`, by which Rust links, too \
         ({error}): install it (`apt install gcc libc6-dev`, `dnf install gcc`)"
    );
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_compiler_is_explained() {
        let error = run_compiler("no-such-cc", Path::new("a.c"), Path::new("a.so")).unwrap_err();
        assert!(error.to_string().contains("install it"), "{error}");
    }

    #[test]
    fn what_the_compiler_refuses_is_an_error_with_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("a.c");
        fs::write(&source, "nonsense").unwrap();
        let error = run_compiler("cc", &source, &dir.path().join("a.so")).unwrap_err();
        assert!(error.to_string().contains("nonsense"), "{error}");
    }
}
