use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use redis::Value;

use crate::backend::redis::tests::fake_server::{handshake, wire};
use crate::backend::redis::tests::random::any_value;
use crate::wire::keyspace::MAX_FENCE_RANGE;

/// What a server is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Any nonsense but a number above zero, or a message: it grants nothing.
    Mute,
    /// Any nonsense.
    Talkative,
    /// Every lock is free.
    Honest,
}

/// Bytes that are no value, or one of a size that cannot be.
const NOISE: [&str; 9] = [
    "*9000000000000\r\n",
    "$9000000000000\r\n",
    "%9223372036854775807\r\n",
    "*-7\r\n",
    "\r\n",
    ":\r\n",
    ":99999999999999999999\r\n",
    "?\r\n",
    "*2\r\n$3\r\nab",
];

/// Something that listens where a server is thought to be.
pub(crate) struct FakeServer {
    state: Arc<State>,
    port: u16,
}

struct State {
    mind: Mutex<Mind>,
    stopped: AtomicBool,
}

struct Mind {
    mood: Mood,
    runner: TestRunner,
    next_token: i64,
    said: Vec<i64>,
    /// How many calls were answered.
    calls: usize,
}

enum Said {
    Value(Vec<u8>),
    /// It hangs up after these.
    LastWords(&'static [u8]),
}

impl FakeServer {
    pub(crate) fn start(seed: u32, mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let config = Config { rng_seed: RngSeed::Fixed(seed.into()), ..Config::default() };
        let runner = TestRunner::new(config);
        // Above all that is made up, so that no number that was said before is too high to pass.
        let mind = Mind { mood, runner, next_token: 1 << 52, said: Vec::new(), calls: 0 };
        let state = Arc::new(State { mind: Mutex::new(mind), stopped: AtomicBool::new(false) });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (state, stream) = (Arc::clone(&shared), stream.expect("a connection"));
                thread::spawn(move || state.serve(&stream));
            }
        });
        Self { state, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state.with_mind(|mind| mind.mood = mood);
    }

    /// How many calls it has answered.
    pub(crate) fn calls(&self) -> usize {
        self.state.with_mind(|mind| mind.calls)
    }

    /// Whether this number, or one that a block from it on may have, was ever said.
    pub(crate) fn has_said(&self, token: u64) -> bool {
        let token = i64::try_from(token).expect("below 2^53");
        let fence_count = 0..i64::from(MAX_FENCE_RANGE);
        let is_from =
            |first: &i64| token.checked_sub(*first).is_some_and(|more| fence_count.contains(&more));
        self.state.with_mind(|mind| mind.said.iter().any(is_from))
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    fn with_mind<T>(&self, act: impl FnOnce(&mut Mind) -> T) -> T {
        act(&mut self.mind.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends with the connection.
    fn serve(&self, stream: &TcpStream) {
        let _: io::Result<()> = self.talk(stream);
    }

    fn talk(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let born = self.with_mind(|mind| mind.mood);
        loop {
            let words = wire::command(&mut reader)?;
            // What was said too much on a connection is taken for the answers to what comes next.
            if self.with_mind(|mind| mind.mood) != born {
                return Ok(());
            }
            match self.with_mind(|mind| mind.answer(&words)) {
                Said::Value(bytes) => stream.write_all(&bytes)?,
                Said::LastWords(bytes) => return stream.write_all(bytes),
            }
        }
    }
}

impl Mind {
    fn answer(&mut self, words: &[String]) -> Said {
        self.next_token += 2 * i64::from(MAX_FENCE_RANGE);
        let handshake = handshake::is_greeting(words);
        self.calls += usize::from(!handshake);
        let whim = self.pick(0..100_u32);
        let honest = self.mood == Mood::Honest
            || handshake && whim < 97
            || self.mood == Mood::Talkative && whim < 30;
        if honest {
            let answer = handshake::answer(words, self.next_token);
            return Said::Value(self.say(&answer));
        }
        match whim {
            97 => Said::LastWords(b""),
            98 | 99 => Said::LastWords(NOISE[self.pick(0..NOISE.len())].as_bytes()),
            _ => Said::Value(self.nonsense()),
        }
    }

    fn nonsense(&mut self) -> Vec<u8> {
        let value = loop {
            let value = self.pick(any_value());
            if self.mood != Mood::Mute || !may_grant(&value) {
                break value;
            }
        };
        self.say(&value)
    }

    fn pick<T: std::fmt::Debug>(&mut self, from: impl Strategy<Value = T>) -> T {
        from.new_tree(&mut self.runner).expect("a value").current()
    }

    fn say(&mut self, value: &Value) -> Vec<u8> {
        remember(value, &mut self.said);
        wire::bytes(value)
    }
}

fn may_grant(value: &Value) -> bool {
    match value {
        Value::Int(number) => *number > 0,
        Value::BulkString(text) => text.starts_with(b"granted"),
        Value::SimpleString(text) => text.starts_with("granted"),
        Value::Array(items) | Value::Set(items) | Value::Push { data: items, .. } => {
            items.iter().any(may_grant)
        }
        Value::Map(pairs) => pairs.iter().any(|(key, value)| may_grant(key) || may_grant(value)),
        _ => false,
    }
}

fn remember(value: &Value, said: &mut Vec<i64>) {
    match value {
        Value::Int(number) => said.push(*number),
        Value::Array(items) => items.iter().for_each(|item| remember(item, said)),
        _ => {}
    }
}
