//! The keys of a call, and how several are acquired together.
//!
//! If all are free, one script acquires all of them or none. In a cluster a script reaches the keys
//! of one slot; others are asked for at the same time, and those that were granted are given back
//! unless all were. Otherwise they are acquired one after the other in sorted order. Every caller
//! uses that order, so no two of them wait for each other.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::acquire::core::ManagerCore;
use crate::acquire::lanes::Lane;
use crate::acquire::options::Options;
use crate::acquire::{AcquireResult, Acquiring, Acquisition, SingleAcquire, record_outcome};
use crate::error::LockError;
use crate::local::grant_channel::NotGranted;
use crate::local::lease::LeaseRef;
use crate::local::queue::AcquireParams;
use crate::owner::context::current;
use crate::owner::frame::Frame;
use crate::owner::section::Section;
use crate::protocol::request::Failure;
use crate::types::owner_info::CallSite;
use crate::types::replicas::Replicas;
use crate::types::time::{self, Timestamp};
use crate::user_code::spans::{self, WaitSpan};

/// The wait for each further key once the time for all of them is over. Not zero: a call that tries
/// once waits longer for an unreachable server than this caller may want.
const FINAL_ATTEMPT: Duration = Duration::from_millis(1);

/// The keys of a call or a request.
#[derive(Clone, Debug)]
pub(crate) enum LockKeys {
    Single(Cow<'static, str>),
    /// Sorted and distinct, so that all callers acquire them in the same order.
    Multiple(Box<[String]>),
    /// For a body that gets a hold for each key of its list. Boxed because it is rare.
    Listed(Box<ListedKeys>),
}

#[derive(Clone, Debug)]
pub(crate) struct ListedKeys {
    keys: LockKeys,
    /// The keys in the order of the list.
    list: Vec<String>,
}

impl LockKeys {
    /// Renders a key. A constant one is borrowed.
    #[inline]
    pub(crate) fn single(key: fmt::Arguments<'_>) -> Self {
        Self::Single(match key.as_str() {
            Some(constant) => Cow::Borrowed(constant),
            None => Cow::Owned(key.to_string()),
        })
    }

    pub(crate) fn multiple(mut keys: Vec<String>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        match <[String; 1]>::try_from(keys) {
            Ok([key]) => Self::Single(Cow::Owned(key)),
            Err(keys) => Self::Multiple(keys.into()),
        }
    }

    /// Renders the keys of a list. Equal ones are one key.
    #[inline]
    pub(crate) fn from_list(keys: &[fmt::Arguments<'_>]) -> Self {
        match keys {
            [key] => Self::single(*key),
            keys => Self::rendered(keys),
        }
    }

    fn rendered(keys: &[fmt::Arguments<'_>]) -> Self {
        Self::multiple(keys.iter().map(ToString::to_string).collect())
    }

    /// The same, with the order of the list.
    pub(crate) fn listed(keys: &[fmt::Arguments<'_>]) -> Self {
        let list: Vec<_> = keys.iter().map(ToString::to_string).collect();
        Self::Listed(Box::new(ListedKeys { keys: Self::multiple(list.clone()), list }))
    }

    /// The keys in the order of the list, if they were made by [`Self::listed`].
    pub(crate) fn list(&self) -> &[String] {
        match self {
            Self::Listed(listed) => &listed.list,
            Self::Single(_) | Self::Multiple(_) => &[],
        }
    }

    /// The one that metrics count the call under.
    fn first(&self) -> &str {
        match self {
            Self::Single(key) => key,
            Self::Multiple(keys) => keys.first().map_or("", String::as_str),
            Self::Listed(listed) => listed.keys.first(),
        }
    }

    pub(crate) fn acquire(
        &self,
        core: &Arc<ManagerCore>,
        options: &Options,
        call_site: CallSite,
    ) -> Acquisition {
        let labels = core.labels(call_site, options, self.first());
        let acquiring = self.start(core, options, call_site);
        let span = self.wait_span(&acquiring, core, options, call_site);
        Acquisition { acquiring, labels, span }
    }

    fn start(&self, core: &Arc<ManagerCore>, options: &Options, call_site: CallSite) -> Acquiring {
        match self {
            Self::Single(key) => SingleAcquire { core, key, options, call_site }.start(),
            Self::Multiple(keys) => MultiAcquire::new(core, options, call_site).start(keys),
            Self::Listed(listed) => listed.keys.start(core, options, call_site),
        }
    }

    /// The same, and blocks this thread.
    pub(crate) fn acquire_blocking(
        &self,
        core: &Arc<ManagerCore>,
        options: &Options,
        call_site: CallSite,
    ) -> AcquireResult {
        let labels = core.labels(call_site, options, self.first());
        let acquiring = self.start_blocking(core, options, call_site);
        let mut span = self.wait_span(&acquiring, core, options, call_site);
        record_outcome(&labels, &mut span, acquiring.block())
    }

    fn start_blocking(
        &self,
        core: &Arc<ManagerCore>,
        options: &Options,
        call_site: CallSite,
    ) -> Acquiring {
        match self {
            Self::Single(key) => SingleAcquire { core, key, options, call_site }.start_blocking(),
            Self::Multiple(keys) => {
                MultiAcquire::new(core, options, call_site).start_blocking(keys)
            }
            Self::Listed(listed) => listed.keys.start_blocking(core, options, call_site),
        }
    }

    /// The span of a call that waits, or that has got a lease or an error at once.
    #[inline]
    fn wait_span(
        &self,
        acquiring: &Acquiring,
        core: &ManagerCore,
        options: &Options,
        call_site: CallSite,
    ) -> WaitSpan {
        if !spans::are_wanted() || acquiring.has_reentered() {
            return WaitSpan::NONE;
        }
        let tries_once = options.tries_once(core.defaults());
        WaitSpan::open(call_site.template(options.label), || self.text(), tries_once)
    }

    /// For people.
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Single(key) => Cow::Borrowed(key),
            Self::Multiple(keys) => Cow::Owned(format!("{keys:?}")),
            Self::Listed(listed) => listed.keys.text(),
        }
    }
}

/// One call that acquires several keys.
#[derive(Clone)]
pub(crate) struct MultiAcquire {
    core: Arc<ManagerCore>,
    options: Options,
    call_site: CallSite,
    since: Timestamp,
}

impl MultiAcquire {
    pub(crate) fn new(core: &Arc<ManagerCore>, options: &Options, call_site: CallSite) -> Self {
        Self { core: Arc::clone(core), options: *options, call_site, since: time::now() }
    }

    /// Acquires `keys`, which are sorted and distinct.
    pub(crate) fn start(self, keys: &[String]) -> Acquiring {
        let here = current();
        if let Some(error) = self.not_reentrant(keys, here.as_ref()) {
            return Acquiring::failed(error);
        }
        let keys: Vec<String> = keys.to_vec();
        Acquiring::Waiting(Box::pin(async move { self.run(here, keys).await }))
    }

    /// The same, to block this thread.
    fn start_blocking(self, keys: &[String]) -> Acquiring {
        match keys.iter().find_map(|key| self.attempt(key).blocks_holder()) {
            Some(error) => Acquiring::failed(error),
            None => self.start(keys),
        }
    }

    fn attempt<'a>(&'a self, key: &'a str) -> SingleAcquire<'a> {
        let Self { core, options, call_site, .. } = self;
        SingleAcquire { core, key, options, call_site: *call_site }
    }

    /// The error of the first key that the call would have to re-enter but must not.
    fn not_reentrant(&self, keys: &[String], here: Option<&Arc<Frame>>) -> Option<LockError> {
        let here = here.filter(|_| !self.options.may_reenter(self.core.defaults()))?;
        keys.iter().find_map(|key| {
            let ancestor = here.find(self.core.id(), key)?;
            Some(self.attempt(key).not_reentrant(ancestor))
        })
    }

    async fn run(self, here: Option<Arc<Frame>>, keys: Vec<String>) -> AcquireResult {
        let mut section = self.acquire_together(here.clone(), &keys).await?;
        for key in keys {
            let around = section.as_ref().map(Section::frame).or(here.as_ref()).cloned();
            if around.as_ref().is_some_and(|frame| self.has(section.as_ref(), frame, &key)) {
                continue;
            }
            let options = Options { wait: self.time_left(), ..self.options };
            let attempt = SingleAcquire { options: &options, ..self.attempt(&key) };
            // An error ends the sections before.
            let next = attempt.start_within(around).wait().await.map_err(|mut error| {
                self.count_whole_wait(&mut error);
                error
            })?;
            section = Some(next.stacked_on(section));
        }
        let section = section
            .ok_or_else(|| LockError::config("the list of keys is empty; name at least one key"))?;
        // One lease may have been lost while another key was waited for.
        match section.loss() {
            Some((lease, loss)) => Err(LockError::lost(lease.key(), loss).into()),
            None => Ok(section),
        }
    }

    /// Acquires the keys before the first one that an ancestor holds, all or none. Not the keys
    /// after it: re-entering may wait for a sibling, and a call that waits must not hold keys that
    /// sort after.
    async fn acquire_together(
        &self,
        here: Option<Arc<Frame>>,
        keys: &[String],
    ) -> Result<Option<Section>, Box<LockError>> {
        let core = &self.core;
        let held =
            |key: &str| here.as_ref().is_some_and(|here| here.find(core.id(), key).is_some());
        let new: Vec<&str> = keys.iter().map(String::as_str).take_while(|key| !held(key)).collect();
        if new.len() < 2 {
            return Ok(None);
        }
        let once = Options { wait: Some(Duration::ZERO), ..self.options };
        let params = core.acquire_params(&once, self.call_site)?;
        core.check_lock_order(here.as_ref(), self.call_site, &new);
        // Waits for an unresponsive server no longer than the caller waits for the lock.
        let own = self.time_left().filter(|left| !left.is_zero());
        let own = own.map(|left| params.since.plus(left));
        // Replicas have their time once the server has granted all keys.
        let replicas = self.options.effective_replicas(core.defaults());
        let confirm = match replicas {
            Replicas::None => Duration::ZERO,
            _ => Duration::from_millis(params.confirm_ms.into()),
        };
        let deadline = params.deadline.map(|deadline| deadline.plus(confirm));
        let deadline = own.into_iter().chain(deadline).min();
        let params = AcquireParams { deadline, ..params };
        let lane = core.lane(replicas, new[0])?;
        let granted = if lane.links.has_in_one_slot(&new) {
            granted_together(lane, &new, params).await
        } else {
            Ok(self.granted_at_once(lane, &new, params).await)
        };
        let shares = match granted {
            // They have had their time: they get no more for each key.
            Err(Failure::Unavailable(why)) if !confirm.is_zero() && self.is_over(confirm) => {
                let failure = Failure::Unavailable(why);
                let waited = time::now().since(self.since);
                return Err(LockError::from_failure(new[0], waited, failure).into());
            }
            // A key has another error to report only if it is asked for alone.
            shares => shares.unwrap_or_default(),
        };
        let mut section: Option<Section> = None;
        for share in shares {
            let around = section.as_ref().map(|section| Arc::clone(section.frame()));
            let around = around.or_else(|| here.clone());
            let next = Section::outermost(around, core.id(), share, self.call_site);
            section = Some(next.stacked_on(section));
        }
        Ok(section)
    }

    /// The leases of all these keys, each of which is asked for by itself, or none.
    async fn granted_at_once(
        &self,
        lane: &Lane,
        keys: &[&str],
        params: AcquireParams,
    ) -> Vec<LeaseRef> {
        let params = params.alone();
        let turns: Vec<_> = keys.iter().map(|key| lane.queues.join(key, params)).collect();
        let mut shares = Vec::with_capacity(keys.len());
        // The answers come together, so that it does not matter which one is awaited first.
        for (key, turn) in keys.iter().zip(turns) {
            if let Some(Ok(share)) = self.core.drive(key, turn).await {
                shares.push(share);
            }
        }
        if shares.len() < keys.len() {
            shares.clear();
        }
        shares
    }

    /// Whether so much time has passed, or the whole wait.
    fn is_over(&self, limit: Duration) -> bool {
        let wait = self.options.effective_wait(self.core.defaults());
        time::now().since(self.since) >= wait.map_or(limit, |wait| wait.min(limit))
    }

    /// Whether `section` holds the key itself, not an ancestor.
    fn has(&self, section: Option<&Section>, around: &Arc<Frame>, key: &str) -> bool {
        let mut own = section.into_iter().flat_map(Section::frames);
        let found = around.find(self.core.id(), key);
        found.is_some_and(|frame| own.any(|own| Arc::ptr_eq(own, frame)))
    }

    /// What is left of the wait, which all keys share.
    fn time_left(&self) -> Option<Duration> {
        let wait = self.options.effective_wait(self.core.defaults())?;
        let left = wait.saturating_sub(time::now().since(self.since));
        Some(left.max(FINAL_ATTEMPT.min(wait)))
    }

    /// Replaces the wait for one key by the wait for all of them.
    fn count_whole_wait(&self, error: &mut LockError) {
        if let LockError::Busy(busy) = error
            && !busy.waited.is_zero()
        {
            busy.waited = time::now().since(self.since);
        }
    }
}

/// The leases of all these keys, or none and why.
async fn granted_together(
    lane: &Lane,
    keys: &[&str],
    params: AcquireParams,
) -> Result<Vec<LeaseRef>, Failure> {
    'ask: loop {
        let mut shares = Vec::with_capacity(keys.len());
        for turn in lane.queues.join_all(keys, params) {
            match turn.await {
                Some(Ok(share)) => shares.push(share),
                // This future was not polled in time, and others got the locks.
                Some(Err(why)) => match *why {
                    NotGranted::Unclaimed(_) => continue 'ask,
                    NotGranted::Failed(failure) => return Err(failure),
                },
                None => return Ok(Vec::new()),
            }
        }
        return Ok(shares);
    }
}
