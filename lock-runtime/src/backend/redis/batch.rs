//! One batch of calls as commands, and the replies as those of the calls.
//!
//! What many callers ask at one time of locks that have nothing to do with each other goes as one script call: the server then
//! spends a fraction on each. Releases go first, so that an acquire of the same key behind one finds it free; acquires go last.

use std::collections::HashSet;
use std::time::Duration;

use redis::{Cmd, RedisError, Value};

use crate::backend::redis::ladder::Ladder;
use crate::backend::redis::{command, plain, read, script_error};
use crate::protocol::machine::CallError;
use crate::wire::call::{Acquire, Call, Give, SMALL_BLOCK};
use crate::wire::keyspace::Keyspace;
use crate::wire::reply::{AcquireReply, Answer, Reply};
use crate::wire::script::Script;
use crate::wire::together::{
    MOST_TOGETHER, Together, acquire_together, acquired_together, release_together,
    released_together,
};

type Outcome = Result<Reply, CallError>;

/// What is sent: each step is for one call of the batch or for several, by number.
pub(crate) struct Batch<'a> {
    calls: &'a [Call],
    steps: Vec<Step>,
}

enum Step {
    One(usize),
    /// Two commands: the bound is announced to all processes, and then to the server, where the next connection looks.
    Raise(usize, Duration),
    Releases(Vec<usize>),
    Acquires(Vec<usize>),
}

impl Step {
    const fn answers(&self) -> usize {
        if matches!(self, Self::Raise(..)) { 2 } else { 1 }
    }
}

impl<'a> Batch<'a> {
    pub(crate) fn new(calls: &'a [Call]) -> Self {
        let releases = numbers(calls, |call| matches!(call, Call::Free(_)));
        let acquires = acquires(calls);
        let mut steps = Vec::with_capacity(calls.len());
        steps.extend(releases.chunks(MOST_TOGETHER).map(|some| Step::Releases(some.to_vec())));
        let mut grouped = acquires.iter().copied().peekable();
        for (number, call) in calls.iter().enumerate() {
            if grouped.next_if_eq(&number).is_none()
                && (releases.is_empty() || !matches!(call, Call::Free(_)))
            {
                steps.push(match call {
                    Call::Raise(bound) => Step::Raise(number, *bound),
                    _ => Step::One(number),
                });
            }
        }
        steps.extend(acquires.chunks(MOST_TOGETHER).map(|some| Step::Acquires(some.to_vec())));
        Self { calls, steps }
    }

    pub(crate) fn commands(&self, space: &Keyspace, ladder: &Ladder) -> Vec<Cmd> {
        let mut commands = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            match step {
                Step::One(number) => {
                    commands.extend(self.calls[*number].encode(space).map(|one| command(&one)));
                }
                Step::Raise(_, bound) => {
                    commands.extend([ladder.publish(*bound), ladder.load(*bound)]);
                }
                Step::Releases(numbers) => {
                    commands.push(command(&release_together(&self.gives(numbers), space)));
                }
                Step::Acquires(numbers) => {
                    commands.push(command(&acquire_together(&self.asks(numbers), space)));
                }
            }
        }
        commands
    }

    /// The replies to the calls, in the order of the calls.
    pub(crate) fn replies(&self, answers: Result<Vec<Value>, RedisError>) -> Vec<Outcome> {
        let mut replies: Vec<Outcome> = self.calls.iter().map(|_| Err(CallError::Broken)).collect();
        match answers {
            Ok(answers) if answers.len() == self.steps.iter().map(Step::answers).sum() => {
                let mut answers = answers.into_iter();
                for step in &self.steps {
                    // An error of the first says as much as one of the last.
                    let of_step = answers.by_ref().take(step.answers());
                    let error = |answer: &Value| matches!(answer, Value::ServerError(_));
                    let answer =
                        of_step.reduce(|first, last| if error(&first) { first } else { last });
                    self.answer(step, answer.unwrap_or(Value::Nil), &mut replies);
                }
            }
            Ok(_) => {}
            // Of several it is the connection's, whichever script it is put down to.
            Err(error) => {
                let script = self.steps.first().and_then(|step| self.script(step));
                replies.fill(Err(script_error(script, &error)));
            }
        }
        replies
    }

    fn script(&self, step: &Step) -> Option<Script> {
        match step {
            Step::One(number) => self.calls[*number].script(),
            Step::Raise(..) => None,
            Step::Releases(_) => Some(Script::ReleaseTogether),
            Step::Acquires(_) => Some(Script::AcquireTogether),
        }
    }

    fn answer(&self, step: &Step, answer: Value, replies: &mut [Outcome]) {
        match step {
            Step::One(number) | Step::Raise(number, _) => {
                replies[*number] = read(&self.calls[*number], answer);
            }
            Step::Releases(numbers) => {
                let ended = group(self.script(step), answer, |answer| {
                    released_together(numbers.len(), answer)
                });
                spread(numbers, ended, Reply::Ended, replies);
            }
            Step::Acquires(numbers) => {
                let grants = group(self.script(step), answer, |answer| {
                    acquired_together(&self.asks(numbers), answer)
                });
                let granted = |grant| Reply::Acquire(AcquireReply::Granted(grant));
                spread(numbers, grants, granted, replies);
            }
        }
    }

    fn gives(&self, numbers: &[usize]) -> Vec<&Give> {
        let give = |&number: &usize| match &self.calls[number] {
            Call::Free(give) => Some(give),
            _ => None,
        };
        numbers.iter().filter_map(give).collect()
    }

    fn asks(&self, numbers: &[usize]) -> Vec<&Acquire> {
        let ask = |&number: &usize| match &self.calls[number] {
            Call::Acquire(ask) => Some(ask),
            _ => None,
        };
        numbers.iter().filter_map(ask).collect()
    }
}

/// The acquires that go together: not beside a cancel, which none may overtake, and of each key the first. Nor those that want
/// large blocks, which must not carry the counter far ahead of the clock.
fn acquires(calls: &[Call]) -> Vec<usize> {
    if calls.iter().any(|call| matches!(call, Call::Cancel { .. })) {
        return Vec::new();
    }
    let mut keys = HashSet::new();
    numbers(calls, |call| match call {
        Call::Acquire(ask) => {
            ask.expects_free && ask.block <= SMALL_BLOCK && keys.insert(&*ask.give.key)
        }
        _ => false,
    })
}

/// The numbers of such calls, if there are several: one alone is better said in its own words.
fn numbers<'a>(calls: &'a [Call], mut such: impl FnMut(&'a Call) -> bool) -> Vec<usize> {
    let numbered = calls.iter().enumerate();
    let found: Vec<_> =
        numbered.filter_map(|(number, call)| such(call).then_some(number)).collect();
    if found.len() > 1 { found } else { Vec::new() }
}

/// The answer to several calls that went together.
fn group<T>(
    script: Option<Script>,
    answer: Value,
    read: impl FnOnce(&Answer) -> Option<Vec<Together<T>>>,
) -> Result<Vec<Together<T>>, CallError> {
    if let Value::ServerError(error) = answer {
        return Err(script_error(script, &RedisError::from(error)));
    }
    let answer = plain(answer);
    read(&answer).ok_or_else(|| {
        CallError::Garbled(format!("unexpected reply to several calls together: {answer:?}"))
    })
}

/// Gives each of these calls what was said of it; where nothing was, all of them why.
fn spread<T>(
    numbers: &[usize],
    answers: Result<Vec<Together<T>>, CallError>,
    done: impl Fn(T) -> Reply,
    replies: &mut [Outcome],
) {
    match answers {
        Ok(answers) => {
            for (&number, answer) in numbers.iter().zip(answers) {
                replies[number] = match answer {
                    Together::Done(value) => Ok(done(value)),
                    Together::Alone => Err(CallError::Alone),
                };
            }
        }
        Err(error) => numbers.iter().for_each(|&number| replies[number] = Err(error.clone())),
    }
}
