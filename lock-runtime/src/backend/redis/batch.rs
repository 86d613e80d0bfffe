//! Turns a batch of commands into Redis commands, and their replies into replies to each.
//!
//! Acquires and releases of unrelated locks that are sent at the same time go as one script call,
//! which costs the server a fraction of separate calls. Releases go first, so that an acquire of
//! the same key finds it free; acquires go last.

use std::collections::HashSet;
use std::time::Duration;

use redis::{Cmd, RedisError, Value};

use crate::backend::redis::command::{command, plain, read, script_error};
use crate::backend::redis::lease_steps::Ladder;
use crate::protocol::commands::CommandError;
use crate::wire::batch::{
    BatchItem, MAX_BATCH, acquire_batch, acquired_batch, release_batch, released_batch,
};
use crate::wire::command::{Acquire, Command, RequestRef};
use crate::wire::keyspace::Keyspace;
use crate::wire::limits::SMALL_FENCE_RANGE;
use crate::wire::raw_reply::RawReply;
use crate::wire::reply::{AcquireReply, Reply};
use crate::wire::script::Script;

type Outcome = Result<Reply, CommandError>;

/// What is sent: each step is for one command of the batch or for several, by index.
pub(crate) struct Batch<'a> {
    calls: &'a [Command],
    steps: Vec<BatchStep>,
}

enum BatchStep {
    One(usize),
    /// Two commands: the bound is announced to all processes, and then to the server, where the
    /// next connection looks.
    Raise(usize, Duration),
    Releases(Vec<usize>),
    Acquires(Vec<usize>),
}

impl BatchStep {
    const fn answers(&self) -> usize {
        if matches!(self, Self::Raise(..)) { 2 } else { 1 }
    }
}

impl<'a> Batch<'a> {
    pub(crate) fn new(calls: &'a [Command]) -> Self {
        let releases = numbers(calls, |call| matches!(call, Command::Free(_)));
        let acquires = acquires(calls);
        let mut steps = Vec::with_capacity(calls.len());
        steps.extend(releases.chunks(MAX_BATCH).map(|some| BatchStep::Releases(some.to_vec())));
        let mut grouped = acquires.iter().copied().peekable();
        for (number, call) in calls.iter().enumerate() {
            if grouped.next_if_eq(&number).is_none()
                && (releases.is_empty() || !matches!(call, Command::Free(_)))
            {
                steps.push(match call {
                    Command::RaiseMaxLease(max_lease) => BatchStep::Raise(number, *max_lease),
                    _ => BatchStep::One(number),
                });
            }
        }
        steps.extend(acquires.chunks(MAX_BATCH).map(|some| BatchStep::Acquires(some.to_vec())));
        Self { calls, steps }
    }

    pub(crate) fn commands(&self, space: &Keyspace, ladder: &Ladder) -> Vec<Cmd> {
        let mut commands = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            match step {
                BatchStep::One(number) => {
                    commands.extend(self.calls[*number].encode(space).map(|one| command(&one)));
                }
                BatchStep::Raise(_, max_lease) => {
                    commands.extend([ladder.publish(*max_lease), ladder.load(*max_lease)]);
                }
                BatchStep::Releases(numbers) => {
                    commands.push(command(&release_batch(&self.requests(numbers), space)));
                }
                BatchStep::Acquires(numbers) => {
                    commands.push(command(&acquire_batch(&self.acquires(numbers), space)));
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
            Ok(answers) if answers.len() == self.steps.iter().map(BatchStep::answers).sum() => {
                let mut answers = answers.into_iter();
                for step in &self.steps {
                    // An error of the first command says as much as one of the last.
                    let of_step = answers.by_ref().take(step.answers());
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
                let script = self.steps.first().and_then(|step| self.script(step));
                replies.fill(Err(script_error(script, &error)));
            }
        }
        replies
    }

    fn script(&self, step: &BatchStep) -> Option<Script> {
        match step {
            BatchStep::One(number) => self.calls[*number].script(),
            BatchStep::Raise(..) => None,
            BatchStep::Releases(_) => Some(Script::ReleaseBatch),
            BatchStep::Acquires(_) => Some(Script::AcquireBatch),
        }
    }

    fn answer(&self, step: &BatchStep, answer: Value, replies: &mut [Outcome]) {
        match step {
            BatchStep::One(number) | BatchStep::Raise(number, _) => {
                replies[*number] = read(&self.calls[*number], answer);
            }
            BatchStep::Releases(numbers) => {
                let ended = group(self.script(step), answer, |answer| {
                    released_batch(numbers.len(), answer)
                });
                spread(numbers, ended, Reply::Released, replies);
            }
            BatchStep::Acquires(numbers) => {
                let grants = group(self.script(step), answer, |answer| {
                    acquired_batch(&self.acquires(numbers), answer)
                });
                let granted = |grant| Reply::Acquire(AcquireReply::Granted(grant));
                spread(numbers, grants, granted, replies);
            }
        }
    }

    fn requests(&self, numbers: &[usize]) -> Vec<&RequestRef> {
        let request = |&number: &usize| match &self.calls[number] {
            Command::Free(request) => Some(request),
            _ => None,
        };
        numbers.iter().filter_map(request).collect()
    }

    fn acquires(&self, numbers: &[usize]) -> Vec<&Acquire> {
        let acquire = |&number: &usize| match &self.calls[number] {
            Command::Acquire(acquire) => Some(acquire),
            _ => None,
        };
        numbers.iter().filter_map(acquire).collect()
    }
}

/// The acquires that are batched: not beside a cancel, which no acquire may overtake; only the
/// first of each key; and none that wants a large range of tokens, which must not carry the counter
/// far ahead of the clock.
fn acquires(calls: &[Command]) -> Vec<usize> {
    if calls.iter().any(|call| matches!(call, Command::Cancel { .. })) {
        return Vec::new();
    }
    let mut keys = HashSet::new();
    numbers(calls, |call| match call {
        Command::Acquire(acquire) => {
            acquire.likely_free
                && acquire.fence_count <= SMALL_FENCE_RANGE
                && keys.insert(&*acquire.request.key)
        }
        _ => false,
    })
}

/// The indices of such commands, if there are several: a single one is sent as it is.
fn numbers<'a>(calls: &'a [Command], mut such: impl FnMut(&'a Command) -> bool) -> Vec<usize> {
    let numbered = calls.iter().enumerate();
    let found: Vec<_> =
        numbered.filter_map(|(number, call)| such(call).then_some(number)).collect();
    if found.len() > 1 { found } else { Vec::new() }
}

/// The answer to several calls that went together.
fn group<T>(
    script: Option<Script>,
    answer: Value,
    read: impl FnOnce(&RawReply) -> Option<Vec<BatchItem<T>>>,
) -> Result<Vec<BatchItem<T>>, CommandError> {
    if let Value::ServerError(error) = answer {
        return Err(script_error(script, &RedisError::from(error)));
    }
    let answer = plain(answer);
    read(&answer).ok_or_else(|| {
        CommandError::InvalidReply(format!(
            "unexpected reply to several calls together: {answer:?}"
        ))
    })
}

/// Gives each of these commands its outcome; on an error, all of them the error.
fn spread<T>(
    numbers: &[usize],
    answers: Result<Vec<BatchItem<T>>, CommandError>,
    done: impl Fn(T) -> Reply,
    replies: &mut [Outcome],
) {
    match answers {
        Ok(answers) => {
            for (&number, answer) in numbers.iter().zip(answers) {
                replies[number] = match answer {
                    BatchItem::Done(value) => Ok(done(value)),
                    BatchItem::Retry => Err(CommandError::NotBatchable),
                };
            }
        }
        Err(error) => numbers.iter().for_each(|&number| replies[number] = Err(error.clone())),
    }
}
