//! A child process that is spoken to in lines.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Enough for an error and its cause.
const LAST_WORDS: usize = 40;

/// Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("RUST_BACKTRACE", "0");
        let mut child = command.spawn().context("a child process does not start")?;
        let orders = child.stdin.take();
        let out = child.stdout.take().context("the output is a pipe")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            // The receiver goes with the process, whose output is not needed any more.
            lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        Ok(Self { child, orders, lines })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn tell(&mut self, order: &str) -> anyhow::Result<()> {
        let orders = self.orders.as_mut().context("the process still takes orders")?;
        writeln!(orders, "{order}").with_context(|| format!("no order {order:?} is taken"))
    }

    /// The next line, which comes within `limit`.
    pub fn line(&mut self, limit: Duration) -> anyhow::Result<String> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => bail!("no answer within {limit:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("it ended: {}", self.last_words()),
        }
    }

    /// The next line as numbers.
    pub fn numbers<T, const N: usize>(&mut self, limit: Duration) -> anyhow::Result<[T; N]>
    where
        T: std::str::FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let line = self.line(limit)?;
        let numbers = line.split(' ').map(str::parse).collect::<Result<Vec<T>, _>>();
        let numbers = numbers.with_context(|| format!("not numbers: {line}"))?;
        numbers.try_into().ok().with_context(|| format!("not {N} numbers: {line}"))
    }

    /// The end of what it wrote to its standard error.
    fn last_words(&mut self) -> String {
        let mut text = String::new();
        if let Some(errors) = &mut self.child.stderr {
            // It has ended, or closed its output: what can be read is all there is.
            let _ = errors.read_to_string(&mut text);
        }
        let words: Vec<_> = text.split_whitespace().collect();
        if words.is_empty() {
            return "without a word".to_owned();
        }
        words[words.len().saturating_sub(LAST_WORDS)..].join(" ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
