//! Batches of commands as Redis commands, and the replies to each.
//!
//! Acquires and releases of unrelated locks that are sent at the same time go as one script call,
//! which costs the server a fraction of separate calls. Releases go first, so that an acquire of
//! the same key finds it free; acquires go last. Every other command is a call of its script by
//! EVALSHA.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use redis::{Cmd, RedisError, Value};

use crate::backend::redis::errors::call_error;
use crate::protocol::request::CommandError;
use crate::wire::command::{Command, MAX_BATCH};
use crate::wire::keyspace::{EVERYONE, Keyspace, SMALL_FENCE_RANGE, lease_steps};
use crate::wire::reply::{RawReply, Reply};
use crate::wire::script::{Script, ScriptCall};

type Outcome = Result<Reply, CommandError>;

/// What is sent: each step is for one command of the batch or for several, by index.
pub(crate) struct Batch<'a> {
    calls: &'a [Command],
    steps: Vec<BatchStep>,
}

enum BatchStep {
    One(usize),
    Several(Vec<usize>),
}

impl<'a> Batch<'a> {
    pub(crate) fn new(calls: &'a [Command]) -> Self {
        let releases =
            several(calls, |call| matches!(call, Command::Release { contended: false, .. }));
        let acquires = acquires(calls);
        let alone = |number: &usize| {
            releases.binary_search(number).is_err() && acquires.binary_search(number).is_err()
        };
        let mut steps = Vec::with_capacity(calls.len());
        steps.extend(together(&releases));
        steps.extend((0..calls.len()).filter(alone).map(BatchStep::One));
        steps.extend(together(&acquires));
        Self { calls, steps }
    }

    pub(crate) fn commands(&self, space: &Keyspace, ladder: &Ladder) -> Vec<Cmd> {
        let mut commands = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            match step {
                BatchStep::One(number) => match &self.calls[*number] {
                    // Announced to all processes, and then to the server, where the next
                    // connection looks.
                    Command::RaiseMaxLease(max_lease) => {
                        commands.extend([ladder.publish(*max_lease), ladder.load(*max_lease)]);
                    }
                    call => commands.extend(call.encode(space).map(|call| command(&call))),
                },
                BatchStep::Several(numbers) => {
                    let calls = numbers.iter().map(|&number| &self.calls[number]);
                    commands.push(command(&Command::encode_batch(calls, space)));
                }
            }
        }
        commands
    }

    /// The replies to the calls, in the order of the calls.
    pub(crate) fn replies(&self, answers: Result<Vec<Value>, RedisError>) -> Vec<Outcome> {
        let mut replies: Vec<Outcome> =
            self.calls.iter().map(|_| Err(CommandError::ConnectionLost)).collect();
        match answers {
            Ok(answers)
                if answers.len() == self.steps.iter().map(|step| self.answers(step)).sum() =>
            {
                let mut answers = answers.into_iter();
                for step in &self.steps {
                    // An error of the first command says as much as one of the last.
                    let of_step = answers.by_ref().take(self.answers(step));
                    let error = |answer: &Value| matches!(answer, Value::ServerError(_));
                    let answer =
                        of_step.reduce(|first, last| if error(&first) { first } else { last });
                    self.answer(step, answer.unwrap_or(Value::Nil), &mut replies);
                }
            }
            Ok(_) => {}
            // With several commands it is an error of the connection, whichever script it is
            // attributed to.
            Err(error) => {
                let script = self.steps.first().and_then(|step| self.first(step).script());
                replies.fill(Err(script_error(script, &error)));
            }
        }
        replies
    }

    fn first(&self, step: &BatchStep) -> &Command {
        match step {
            BatchStep::One(number) => &self.calls[*number],
            BatchStep::Several(numbers) => &self.calls[numbers[0]],
        }
    }

    /// How many Redis commands a step is.
    fn answers(&self, step: &BatchStep) -> usize {
        if matches!(self.first(step), Command::RaiseMaxLease(_)) { 2 } else { 1 }
    }

    fn answer(&self, step: &BatchStep, answer: Value, replies: &mut [Outcome]) {
        match (step, answer) {
            (BatchStep::One(number), answer) => {
                replies[*number] = read(&self.calls[*number], answer);
            }
            (BatchStep::Several(numbers), Value::Array(items)) if items.len() == numbers.len() => {
                for (&number, item) in numbers.iter().zip(items) {
                    replies[number] = match (&self.calls[number], item) {
                        (Command::Acquire(_), Value::Int(0)) => Err(CommandError::NotBatchable),
                        (call, item) => read(call, item),
                    };
                }
            }
            (BatchStep::Several(numbers), answer) => {
                let error = match answer {
                    Value::ServerError(error) => {
                        script_error(self.first(step).script(), &RedisError::from(error))
                    }
                    answer => CommandError::InvalidReply(format!(
                        "unexpected reply to several calls together: {answer:?}"
                    )),
                };
                for &number in numbers {
                    replies[number] = Err(error.clone());
                }
            }
        }
    }
}

/// Steps for these commands, as many in each as one script answers.
fn together(numbers: &[usize]) -> impl Iterator<Item = BatchStep> + '_ {
    numbers.chunks(MAX_BATCH).map(|some| match some {
        &[one] => BatchStep::One(one),
        several => BatchStep::Several(several.to_vec()),
    })
}

/// The acquires that are batched: not beside a cancel, which no acquire may overtake; only the
/// first of each key; and none that wants a large range of tokens, which must not carry the counter
/// far ahead of the clock.
fn acquires(calls: &[Command]) -> Vec<usize> {
    if calls.iter().any(|call| matches!(call, Command::Cancel { .. })) {
        return Vec::new();
    }
    let mut keys = HashSet::new();
    several(calls, |call| match call {
        Command::Acquire(acquire) => {
            acquire.likely_free
                && acquire.fence_count <= SMALL_FENCE_RANGE
                && keys.insert(&*acquire.request.key)
        }
        _ => false,
    })
}

/// The indices of such commands, if there are several: a single one is sent as it is.
fn several<'a>(calls: &'a [Command], mut such: impl FnMut(&'a Command) -> bool) -> Vec<usize> {
    let numbered = calls.iter().enumerate();
    let found: Vec<_> =
        numbered.filter_map(|(number, call)| such(call).then_some(number)).collect();
    if found.len() > 1 { found } else { Vec::new() }
}

pub(crate) fn command(invocation: &ScriptCall) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(sha(invocation.script())).arg(invocation.keys());
    for word in invocation.words() {
        command.arg(word);
    }
    command
}

pub(crate) fn read(call: &Command, answer: Value) -> Result<Reply, CommandError> {
    if let Value::ServerError(error) = answer {
        return Err(script_error(call.script(), &RedisError::from(error)));
    }
    call.decode(&plain(answer)).map_err(CommandError::InvalidReply)
}

pub(crate) fn plain(value: Value) -> RawReply {
    match value {
        Value::Int(number) => RawReply::Int(number),
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_or(RawReply::Other, RawReply::Text)
        }
        Value::SimpleString(text) => RawReply::Text(text),
        Value::Array(items) => RawReply::List(items.into_iter().map(plain).collect()),
        _ => RawReply::Other,
    }
}

/// What an error of this script means, or of a command that runs none.
pub(crate) fn script_error(script: Option<Script>, error: &RedisError) -> CommandError {
    match (call_error(error), script) {
        (CommandError::Refused(words), Some(script)) => {
            CommandError::Refused(script.explain(words))
        }
        (other, _) => other,
    }
}

/// EVALSHA names a script by the SHA-1 of its text.
pub(crate) static SHA: LazyLock<[String; Script::ALL.len()]> =
    LazyLock::new(|| Script::ALL.map(|script| sha_of(script.text())));

pub(crate) fn sha_of(text: &str) -> String {
    sha1_smol::Sha1::from(text).digest().to_string()
}

pub(crate) fn sha(script: Script) -> &'static str {
    let index = Script::ALL.iter().position(|&other| other == script);
    &SHA[index.expect("ALL lists every script")]
}

/// The longest lease, stored in the server's script cache, which a flush of the data does not
/// clear.
///
/// Each step has a script that is never run; the highest one that is loaded is the longest lease. A
/// server that knows any of them has granted locks of this key space in this database. Other
/// tenants of the server have their own scripts.
pub(crate) struct Ladder {
    tenant: String,
    /// The channel on which all processes receive a new bound.
    everyone: String,
    /// The SHA-1 of each step, in order.
    shas: Vec<String>,
}

impl Ladder {
    pub(crate) fn new(space: &Keyspace, database: i64) -> Self {
        let tenant = sha_of(&format!("{} in database {database}", space.fence()));
        let shas = lease_steps().map(|step| sha_of(&text(&tenant, step))).collect();
        Self { tenant, everyone: space.inbox(EVERYONE), shas }
    }

    pub(crate) fn everyone(&self) -> &str {
        &self.everyone
    }

    /// Checks which steps are loaded.
    pub(crate) fn look(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("EXISTS").arg(&self.shas);
        command
    }

    /// The longest lease, from the reply to [`Self::look`]; zero if no step is loaded.
    pub(crate) fn highest(loaded: &[bool]) -> Duration {
        let mut steps = lease_steps().zip(loaded).rev();
        steps.find(|&(_, &loaded)| loaded).map(|(step, _)| step).unwrap_or_default()
    }

    /// Loads a step.
    pub(crate) fn load(&self, step: Duration) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(text(&self.tenant, step));
        command
    }

    /// Announces it to all processes.
    pub(crate) fn publish(&self, step: Duration) -> Cmd {
        let mut command = redis::cmd("PUBLISH");
        command.arg(&self.everyone).arg(format!("bound {}", step.as_millis()));
        command
    }
}

fn text(tenant: &str, step: Duration) -> String {
    format!("return '{tenant} {}'", step.as_millis())
}
