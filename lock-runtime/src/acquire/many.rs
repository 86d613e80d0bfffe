//! The way into several keys that are taken together.

use std::sync::Arc;
use std::time::Duration;

use crate::acquire::options::Options;
use crate::acquire::{
    Entered, Entering, blocks_holder, enter_within, not_reentrant, warn_lock_order,
};
use crate::api::manager::LockManager;
use crate::error::LockError;
use crate::io::futures::MultiOutcome;
use crate::local::params::AcquireParams;
use crate::owner::context::current;
use crate::owner::frame::Frame;
use crate::owner::section::Section;
use crate::types::call_site::CallSite;
use crate::types::time;
use crate::types::time::Timestamp;

/// Asks for all of `keys`, which are in order and each there once. Where all are free they are taken by one script, all or
/// none; else one after the other in their order, which everybody keeps, so that no two wait for each other.
pub(crate) fn enter_all(
    manager: &LockManager,
    keys: &[String],
    options: &Options,
    call_site: CallSite,
) -> Entering {
    let here = current();
    if let Some(error) = refuse_held(manager, keys, options, call_site, here.as_ref()) {
        return Entering::refused(error);
    }
    let many = Many { manager: manager.clone(), options: *options, call_site, since: time::now() };
    let keys: Vec<String> = keys.to_vec();
    Entering::Waiting(Box::pin(async move { many.enter(here, keys).await }))
}

/// The same, and waits for them on this thread.
pub(crate) fn enter_all_blocking(
    manager: &LockManager,
    keys: &[String],
    options: &Options,
    call_site: CallSite,
) -> Entered {
    let blocks = |key: &String| blocks_holder(manager, key, options, call_site);
    match keys.iter().find_map(blocks) {
        Some(error) => Err(error.into()),
        None => enter_all(manager, keys, options, call_site).block(),
    }
}

/// The error of the first key that is held around the call, if the call may not re-enter.
fn refuse_held(
    manager: &LockManager,
    keys: &[String],
    options: &Options,
    call_site: CallSite,
    here: Option<&Arc<Frame>>,
) -> Option<LockError> {
    let here = here.filter(|_| !options.reenters(manager))?;
    keys.iter().find_map(|key| {
        let ancestor = here.find(manager.id(), key)?;
        Some(not_reentrant(manager, key, call_site, ancestor))
    })
}

/// How long a key is asked for when the time for all of them is over, to tell what stands in the way.
const LAST_LOOK: Duration = Duration::from_millis(1);

struct Many {
    manager: LockManager,
    options: Options,
    call_site: CallSite,
    since: Timestamp,
}

impl Many {
    async fn enter(self, here: Option<Arc<Frame>>, keys: Vec<String>) -> Entered {
        let mut section = self.take_at_once(here.clone(), &keys).await?;
        for key in keys {
            let around = section.as_ref().map(Section::frame).or(here.as_ref()).cloned();
            if around.as_ref().is_some_and(|frame| self.is_taken(section.as_ref(), frame, &key)) {
                continue;
            }
            let options = Options { wait: self.left(), ..self.options };
            // What was entered so far ends with an error.
            let entered =
                enter_within(&self.manager, &key, &options, self.call_site, around).wait();
            let next = entered.await.map_err(|mut error| {
                self.after_all(&mut error);
                error
            })?;
            section = Some(next.upon(section));
        }
        let section = section
            .ok_or_else(|| LockError::config("a list of keys is empty; name at least one"))?;
        // One may have been lost while another was waited for.
        match section.loss() {
            Some((lease, loss)) => Err(LockError::lost(lease.key(), loss).into()),
            None => Ok(section),
        }
    }

    /// Takes the keys before the first that an ancestor holds, all or none; nothing, if it is only one. A held key may
    /// have to be waited for, until a sibling's turn is over: nobody waits who has taken keys after it.
    async fn take_at_once(
        &self,
        here: Option<Arc<Frame>>,
        keys: &[String],
    ) -> Result<Option<Section>, Box<LockError>> {
        let held = |key: &str| {
            here.as_ref().is_some_and(|here| here.find(self.manager.id(), key).is_some())
        };
        let new: Vec<&str> = keys.iter().map(String::as_str).take_while(|key| !held(key)).collect();
        if new.len() < 2 {
            return Ok(None);
        }
        let terms = self.manager.terms(&self.options)?;
        warn_lock_order(&self.manager, here.as_ref(), self.call_site, &new);
        let once = Options { wait: Some(Duration::ZERO), ..self.options };
        let params = self.manager.params(&once, terms, self.call_site);
        // A server that does not answer is waited for no longer than the caller is ready to wait.
        let own = self.left().filter(|left| !left.is_zero()).map(|left| params.since.plus(left));
        let deadline = own.into_iter().chain(params.deadline).min();
        let params = AcquireParams { deadline, ..params };
        let shares = loop {
            let requests = new.iter().map(|key| self.manager.request(&(*key).into(), params));
            match self.manager.mailbox().acquire_all(requests.collect()).await {
                Some(MultiOutcome::Granted(shares)) => break shares,
                // This was not polled for so long that others got the locks.
                Some(MultiOutcome::NotTakenUp) => {}
                None => break Vec::new(),
            }
        };
        let mut section: Option<Section> = None;
        for share in shares {
            let around = section.as_ref().map(|section| Arc::clone(section.frame()));
            let around = around.or_else(|| here.clone());
            let share = share.with_ttl(params.terms.ttl);
            let next = Section::outermost(around, self.manager.id(), share, self.call_site);
            section = Some(next.upon(section));
        }
        Ok(section)
    }

    /// Whether the key was taken together with others just now.
    fn is_taken(&self, section: Option<&Section>, around: &Arc<Frame>, key: &str) -> bool {
        let taken = section.into_iter().flat_map(Section::all);
        let found = around.find(self.manager.id(), key);
        found.is_some_and(|frame| taken.map(Section::frame).any(|own| Arc::ptr_eq(own, frame)))
    }

    /// What is left of the time that all keys have together. Never nothing, unless there was none: that would be to try once,
    /// and to bear with a server that cannot be reached for longer than the caller said.
    fn left(&self) -> Option<Duration> {
        let wait = self.options.wait_by(&self.manager)?;
        let left = wait.saturating_sub(time::now().since(self.since));
        Some(left.max(LAST_LOOK.min(wait)))
    }

    /// An error of one key, with the wait for all.
    fn after_all(&self, error: &mut LockError) {
        if let LockError::Busy(busy) = error
            && !busy.waited.is_zero()
        {
            busy.waited = time::now().since(self.since);
        }
    }
}
