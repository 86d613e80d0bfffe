//! The clock of the in-memory server, values with a TTL, and the fence counter with its quarantine:
//! `next_fences` of `grant.lua`, and `open.lua`.

use std::time::Duration;

use crate::types::fence::{Fence, FenceRange};
use crate::types::pause::{GrantPause, PauseReason};
use crate::types::time::millis;
use crate::wire::command::LostHold;
use crate::wire::keyspace::{DataLossGrace, Mark, SMALL_FENCE_RANGE};

/// Below this a counter cannot have been seeded from a clock.
const PLAUSIBLE: u64 = 1_000_000_000_000_000;

/// How far ahead of the clock larger blocks may carry the counter, in microseconds.
const AHEAD: u64 = 1_000_000;

/// The tokens of a server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FenceCounter {
    /// Of this server.
    mark: Mark,
    /// It is a node of a cluster and was a replica before.
    was_promoted: bool,
    tokens: Tokens,
}

#[derive(Clone, Copy, Debug, Default)]
enum Tokens {
    #[default]
    Missing,
    /// The last token that the master with this mark has drawn.
    Open(Mark, u64),
    Waiting(TokenWait),
}

/// A failover or a loss of data that is waited out.
#[derive(Clone, Copy, Debug)]
struct TokenWait {
    /// On which master. On none: they are to be opened first.
    mark: Option<Mark>,
    kind: WaitKind,
    /// When it was noticed, in microseconds.
    since: u64,
    /// How long it is waited out, in microseconds.
    bound: u64,
    /// The highest token known.
    issued: u64,
    /// The master that was the last to draw tokens before, and its last one.
    drawn_before: Option<(Mark, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitKind {
    Failover,
    Loss,
}

/// No tokens are issued until then, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoTokens {
    pub(crate) until_us: u64,
    pub(crate) kind: WaitKind,
}

impl FenceCounter {
    /// The next tokens, or why and until when none are issued.
    pub(crate) fn next(
        &mut self,
        now: ServerTime,
        wanted: u32,
        min_fence: Fence,
        data_loss_grace: DataLossGrace,
    ) -> Result<FenceRange, NoTokens> {
        let now = now.micros();
        let is_new = matches!(self.tokens, Tokens::Missing);
        let known = match (self.draw(now, wanted), self.tokens) {
            (Some(fences), _) if fences.first > min_fence && fences.first.get() > PLAUSIBLE => {
                return Ok(fences);
            }
            (Some(fences), _) => self.loss(now, fences.first.get().saturating_sub(1)),
            (None, Tokens::Missing) => self.loss(now, 0),
            (None, Tokens::Waiting(waiting)) if waiting.mark == Some(self.mark) => waiting,
            // The tokens are to be opened first.
            (None, _) => return Err(NoTokens { until_us: now, kind: WaitKind::Failover }),
        };
        let is_loss = known.kind == WaitKind::Loss;
        let lease = if is_loss { micros(data_loss_grace.max_lease) } else { 0 };
        let (since, bound) = (known.since.min(now), known.bound.max(lease));
        let issued = known.issued.max(min_fence.get());
        let wait = TokenWait { since, bound, issued, ..known };
        let until_us = since.saturating_add(bound);
        let over = now >= until_us;
        if !over && (!is_loss || data_loss_grace.waits) {
            self.tokens = Tokens::Waiting(wait);
            return Err(NoTokens { until_us, kind: known.kind });
        }
        let start = if is_new { self.start(now) } else { now };
        let first = Fence::new(start.max(issued.saturating_add(1)));
        let fences = FenceRange::new(first, wanted.min(SMALL_FENCE_RANGE));
        let issued = fences.last().get();
        self.tokens = if over {
            Tokens::Open(self.mark, issued)
        } else {
            Tokens::Waiting(TokenWait { issued, ..wait })
        };
        Ok(fences)
    }

    /// The next tokens if they are above this one and the counter is sound, else it stays as it is:
    /// a release.
    pub(crate) fn next_sound(
        &mut self,
        now: ServerTime,
        wanted: u32,
        above: Fence,
    ) -> Option<FenceRange> {
        let before = *self;
        let drawn = self.draw(now.micros(), wanted);
        let sound = drawn.filter(|drawn| drawn.first > above && drawn.first.get() > PLAUSIBLE);
        if sound.is_none() {
            *self = before;
        }
        sound
    }

    /// As many tokens as this if the counter is sound, else it stays as it is: several locks in
    /// `acquire.lua`.
    pub(crate) fn take_all(&mut self, size: u32, min_fence: Fence) -> Option<FenceRange> {
        let Tokens::Open(mark, last) = &mut self.tokens else { return None };
        let fences = FenceRange::new(Fence::new(last.saturating_add(1)), size);
        let sound = fences.first > min_fence && fences.first.get() > PLAUSIBLE;
        (sound && *mark == self.mark).then(|| {
            *last = fences.last().get();
            fences
        })
    }

    /// A block of this size, or a small one where a large one would carry the counter far ahead of
    /// the clock.
    fn draw(&mut self, now: u64, wanted: u32) -> Option<FenceRange> {
        let Tokens::Open(mark, last) = &mut self.tokens else { return None };
        if *mark != self.mark {
            return None;
        }
        let far = last.saturating_add(wanted.into()) > now.saturating_add(AHEAD);
        let size = if far { wanted.min(SMALL_FENCE_RANGE) } else { wanted };
        let first = Fence::new(last.saturating_add(1));
        *last = last.saturating_add(size.into());
        Some(FenceRange::new(first, size))
    }

    /// A place in a queue: from the counter, or from the clock while that is not one.
    pub(crate) fn ticket(&mut self, now: ServerTime) -> u64 {
        let before = *self;
        let drawn = self.draw(now.micros(), 1).map(|ticket| ticket.first.get());
        drawn.filter(|&ticket| ticket > PLAUSIBLE).unwrap_or_else(|| {
            *self = before;
            now.micros()
        })
    }

    /// As `open.lua`. Returns what is waited for.
    pub(crate) fn open(
        &mut self,
        now: ServerTime,
        open: Opening,
        living: &[Mark],
    ) -> Option<WaitKind> {
        let Opening { min_fence, lease, failover_grace, lost } = open;
        let (mark, now, min_fence) = (self.mark, now.micros(), min_fence.get());
        let top = |issued: u64| issued.max(min_fence).max(now.saturating_add(AHEAD));
        let is_others = self.is_unopened();
        let is_behind = min_fence > self.known();
        let Some(mut grace) = failover_grace.or((!is_others).then_some(Duration::ZERO)) else {
            if is_behind {
                self.close(Fence::new(min_fence));
            }
            return None;
        };
        let failed = is_behind || self.was_promoted && !grace.is_zero();
        let is_migrated =
            !failed && is_others && self.drawn_by().is_some_and(|of| living.contains(&of));
        let wait = match self.tokens {
            Tokens::Open(of, _) if of == mark => return None,
            Tokens::Open(_, last) if is_migrated => {
                self.tokens = Tokens::Open(mark, top(last));
                return None;
            }
            Tokens::Open(of, last) => TokenWait {
                mark: Some(mark),
                kind: WaitKind::Failover,
                since: now,
                bound: 0,
                issued: top(last),
                drawn_before: Some((of, last)),
            },
            Tokens::Waiting(known) if known.mark == Some(mark) => TokenWait {
                since: known.since.min(now),
                issued: known.issued.max(min_fence),
                ..known
            },
            Tokens::Waiting(known) if is_migrated => {
                grace = Duration::ZERO;
                let (mark, since) = (Some(mark), known.since.min(now));
                TokenWait { mark, since, issued: top(known.issued), ..known }
            }
            Tokens::Waiting(known) if known.kind == WaitKind::Loss => {
                TokenWait { mark: Some(mark), since: now, issued: top(known.issued), ..known }
            }
            Tokens::Waiting(known) => {
                let (mark, since) = (Some(mark), known.since.min(now));
                let known = TokenWait { mark, since, issued: top(known.issued), ..known };
                let ends = since.saturating_add(known.bound);
                let is_longer = ends > now.saturating_add(micros(grace));
                if is_longer { known } else { TokenWait { since: now, bound: 0, ..known } }
            }
            Tokens::Missing if lost => self.loss(now, min_fence),
            Tokens::Missing => {
                self.tokens = Tokens::Open(mark, self.start(now).max(min_fence.saturating_add(1)));
                return None;
            }
        };
        let bound = if wait.kind == WaitKind::Loss { lease } else { grace };
        let wait = TokenWait { bound: wait.bound.max(micros(bound)), ..wait };
        if wait.bound == 0 {
            self.tokens = Tokens::Open(mark, wait.issued);
            return None;
        }
        self.tokens = Tokens::Waiting(wait);
        Some(wait.kind)
    }

    /// The highest token that the tokens themselves show.
    const fn known(&self) -> u64 {
        match self.tokens {
            Tokens::Missing => 0,
            Tokens::Open(_, last) => last,
            Tokens::Waiting(TokenWait { issued, .. }) => issued,
        }
    }

    /// Has no master draw before it has opened them, as `close_tokens` of `tokens.lua`.
    fn close(&mut self, seen: Fence) {
        let issued = self.known().max(seen.get());
        self.tokens = Tokens::Waiting(match self.tokens {
            Tokens::Waiting(known) => TokenWait { mark: None, issued, ..known },
            Tokens::Open(of, last) => TokenWait {
                mark: None,
                kind: WaitKind::Failover,
                since: 0,
                bound: 0,
                issued,
                drawn_before: Some((of, last)),
            },
            Tokens::Missing => return,
        });
    }

    /// The mark of the master that draws tokens.
    pub(crate) const fn drawn_by(&self) -> Option<Mark> {
        match self.tokens {
            Tokens::Missing => None,
            Tokens::Open(mark, _) => Some(mark),
            Tokens::Waiting(TokenWait { mark, .. }) => mark,
        }
    }

    /// How long nothing is granted, as in `inspect.lua`.
    pub(crate) fn pause(&self, now: ServerTime) -> Option<GrantPause> {
        let Tokens::Waiting(TokenWait { mark: Some(_), since, bound, kind, .. }) = self.tokens
        else {
            return None;
        };
        let until = since.min(now.micros()).saturating_add(bound);
        let ms = until.saturating_sub(now.micros()).div_ceil(1_000);
        let reason = match kind {
            WaitKind::Failover => PauseReason::Failover,
            WaitKind::Loss => PauseReason::DataLoss,
        };
        (ms > 0).then_some(GrantPause { left: Duration::from_millis(ms), reason })
    }

    /// Whether this hold may be put back, as in `reclaim.lua`. `unopened`: also while the tokens
    /// are those of another master.
    pub(crate) fn may_reclaim(&self, hold: &LostHold, unopened: bool) -> bool {
        let LostHold { first, masters } = hold;
        match &self.tokens {
            Tokens::Waiting(waiting) => {
                waiting.kind == WaitKind::Failover
                    && (unopened || waiting.mark == Some(self.mark))
                    && waiting.drawn_before.is_none_or(|(master, last)| {
                        last < first.get() || masters.contains(&master)
                    })
            }
            Tokens::Open(of, last) => unopened && *of != self.mark && *last < first.get(),
            Tokens::Missing => false,
        }
    }

    /// A hold with tokens up to this one is put back.
    pub(crate) fn learn(&mut self, last: Fence) {
        match &mut self.tokens {
            Tokens::Waiting(waiting) if waiting.mark == Some(self.mark) => {
                waiting.issued = waiting.issued.max(last.get());
            }
            _ => self.close(last),
        }
    }

    /// Whether there are tokens, and they are not those of this master.
    pub(crate) fn is_unopened(&self) -> bool {
        !matches!(self.tokens, Tokens::Missing) && self.drawn_by() != Some(self.mark)
    }

    const fn loss(&self, now: u64, issued: u64) -> TokenWait {
        let (mark, kind, drawn_before) = (Some(self.mark), WaitKind::Loss, None);
        TokenWait { mark, kind, since: now, bound: 0, issued, drawn_before }
    }

    /// Where the tokens of a new slot start.
    const fn start(&self, now: u64) -> u64 {
        if self.was_promoted { now.saturating_add(AHEAD) } else { now }
    }

    /// Without tokens, on the same server.
    pub(crate) const fn emptied(self) -> Self {
        Self { tokens: Tokens::Missing, ..self }
    }

    /// Another server has the same tokens from now on. `was_replica`: it is a node of a cluster,
    /// and this one had a mark.
    #[cfg(any(test, distlock_verification))]
    pub(crate) fn promote(&mut self, mark: Mark, was_replica: bool) {
        self.was_promoted |= was_replica && self.mark != Mark::default();
        self.mark = mark;
    }

    /// The same on the server of the other one.
    #[cfg(distlock_verification)]
    pub(crate) const fn on(self, other: &Self) -> Self {
        Self { mark: other.mark, was_promoted: other.was_promoted, ..self }
    }

    #[cfg(distlock_verification)]
    pub(crate) const fn is_missing(&self) -> bool {
        matches!(self.tokens, Tokens::Missing)
    }
}

/// What a client that connects knows of the past.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// The highest token that it has seen.
    pub(crate) min_fence: Fence,
    /// The longest lease.
    pub(crate) lease: Duration,
    /// How long it has a failover waited out; `None` opens no tokens of another master.
    pub(crate) failover_grace: Option<Duration>,
    /// Whether the server has had data.
    pub(crate) lost: bool,
}

/// An instant of the server's clock. TTLs count its milliseconds, waiters' leases its microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerTime {
    micros: u64,
}

impl ServerTime {
    pub(crate) const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    pub(crate) const fn micros(self) -> u64 {
        self.micros
    }

    const fn millis(self) -> u64 {
        self.micros / 1_000
    }
}

/// A key of the server: a value that is gone when its time is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct WithTtl<T> {
    pub(crate) value: T,
    /// The last millisecond at which the value is there; `None` is for ever.
    until_ms: Option<u64>,
}

impl<T> WithTtl<T> {
    pub(crate) fn lasting(value: T) -> Self {
        Self { value, until_ms: None }
    }

    pub(crate) fn expired(&self, now: ServerTime) -> bool {
        self.until_ms.is_some_and(|until| now.millis() > until)
    }

    pub(crate) fn left(&self, now: ServerTime) -> Option<Duration> {
        self.until_ms.map(|until| Duration::from_millis(until.saturating_sub(now.millis())))
    }

    pub(crate) fn set_ttl(&mut self, now: ServerTime, ttl: Duration) {
        self.until_ms = Some(now.millis().saturating_add(millis(ttl)));
    }

    /// As [`Self::set_ttl`], but never to an earlier end.
    pub(crate) fn extend_ttl(&mut self, now: ServerTime, ttl: Duration) {
        let end = now.millis().saturating_add(millis(ttl));
        self.until_ms = Some(self.until_ms.map_or(end, |until| until.max(end)));
    }
}

/// The scripts' microseconds of a span that came as whole milliseconds.
pub(crate) fn micros(span: Duration) -> u64 {
    millis(span).saturating_mul(1_000)
}

pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
