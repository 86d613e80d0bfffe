//! All locks, one after the other.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::acquire::core::ManagerCore;
use crate::api::inspection::{Inspection, inspect};
use crate::backend::redis::address::NodeAddress;
use crate::error::{LockError, Operation};
use crate::link::handle::LinkHandle;
use crate::link::wait::{block_on, drive};
use crate::protocol::listing::{ListStep, Listing};
use crate::protocol::request::Failure;
use crate::user_code;

/// As many locks are inspected together.
const INSPECTED: usize = 50;

/// The locks under the prefix of a manager that are held, one after the other, from
/// [`LockManager::list`](crate::LockManager::list).
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::LockManager;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let locks = LockManager::connect("memory://")?;
/// let guard = locks.mutex("report").acquire().await?;
/// let mut list = locks.list();
/// while let Some((key, found)) = list.next().await? {
///     let holder = found.holder.expect("it is held");
///     println!("{key}: {} on {}, {} wait", holder.function, holder.host, found.waiting);
/// }
/// # drop(guard);
/// # Ok::<(), distlock::LockError>(())
/// # }).unwrap();
/// ```
///
/// # What is listed
///
/// The list is no snapshot: each lock is shown as it is when the list comes to it. It contains each
/// key at most once. A lock that is held from the first call of [`next`](Self::next) to the end of
/// the list is in it, also after a failover that has not lost its hold. One that is acquired or
/// released meanwhile may be in it or not. A hold whose key `min_hold` keeps taken counts as held,
/// with [`Holder::kept`](crate::Holder::kept).
///
/// In a cluster the list also contains a lock whose slot moves to another node meanwhile, with two
/// exceptions: it may miss a lock that moves more than once, and one that is being moved to a node
/// which has no slots yet.
///
/// # Cost
///
/// The server walks over all keys of its database with `SCAN`, in steps of about 500 keys that do
/// not keep other clients waiting, and the locks are inspected up to 50 at a time, with two
/// commands for each. A call does no more of that than it takes to find the next lock; between
/// calls nothing is done. In a cluster each node that has slots is walked over twice. The keys that
/// were returned are kept in memory.
///
/// # Permissions
///
/// `SCAN`, which no lock needs: `ACL SETUSER app +scan`, on each node of a cluster.
pub struct LockList {
    core: Arc<ManagerCore>,
    listing: Listing<Option<NodeAddress>>,
    /// To be inspected.
    found: VecDeque<String>,
    /// To be returned.
    ready: VecDeque<(String, Inspection)>,
    /// That were returned, or are to be.
    seen: HashSet<String>,
}

impl LockList {
    pub(crate) fn new(core: Arc<ManagerCore>) -> Self {
        let is_cluster = core.links().is_cluster();
        let listing = if is_cluster { Listing::of_cluster() } else { Listing::of_server() };
        let (found, ready, seen) = (VecDeque::new(), VecDeque::new(), HashSet::new());
        Self { core, listing, found, ready, seen }
    }

    /// Blocking form of [`next`](Self::next).
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("report").acquire_blocking()?;
    /// let mut list = locks.list();
    /// let (key, _) = list.next_blocking()?.expect("there is one lock");
    /// assert_eq!(key, "report");
    /// assert!(list.next_blocking()?.is_none());
    /// # drop(guard);
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn next_blocking(&mut self) -> Result<Option<(String, Inspection)>, LockError> {
        block_on(self.next())
    }

    /// Returns the next lock: its key, and what an
    /// [inspection](crate::LockManager::inspect) shows of it. `None` at the end.
    ///
    /// # Errors
    ///
    /// [`LockError::Unavailable`] if a server cannot be reached, [`LockError::Refused`] if it
    /// refuses, for example because the user has no permission for `SCAN`, [`LockError::Closed`]
    /// after a shutdown. The next call continues where this one has stopped; in a cluster with the
    /// other nodes, and it comes back to the one that failed when they are done.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. If the future is dropped, the next call returns the same lock.
    pub async fn next(&mut self) -> Result<Option<(String, Inspection)>, LockError> {
        loop {
            if let Some(lock) = self.ready.pop_front() {
                return Ok(Some(lock));
            }
            if !self.found.is_empty() {
                self.inspect_found().await?;
            } else if !self.find().await? {
                return Ok(None);
            }
        }
    }

    /// Inspects the first keys that were found. Each stays until its answer has come.
    async fn inspect_found(&mut self) -> Result<(), LockError> {
        let keys: Vec<_> = self.found.iter().take(INSPECTED).cloned().collect();
        let ask = |key| (Box::pin(inspect(&self.core, key)), None);
        let mut asked: Vec<_> = keys.iter().map(|key| ask(key)).collect();
        poll_fn(|context| {
            let mut outcome = Poll::Ready(());
            for (future, answer) in asked.iter_mut().filter(|(_, answer)| answer.is_none()) {
                match future.as_mut().poll(context) {
                    Poll::Ready(inspected) => *answer = Some(inspected),
                    Poll::Pending => outcome = Poll::Pending,
                }
            }
            outcome
        })
        .await;
        let answers: Vec<_> = asked.into_iter().filter_map(|(_, answer)| answer).collect();
        let mut failed = Ok(());
        for (key, answer) in keys.into_iter().zip(answers) {
            self.found.pop_front();
            match answer {
                Ok(state) if state.holder.is_some() => {
                    if self.seen.insert(key.clone()) {
                        self.ready.push_back((key, state));
                    }
                }
                // It is free by now, or another value has the name of its hold.
                Ok(_) => {}
                Err(error) => {
                    self.found.push_back(key);
                    failed = Err(error);
                }
            }
        }
        failed
    }

    /// Looks for more keys. Returns false at the end.
    async fn find(&mut self) -> Result<bool, LockError> {
        let core = &self.core;
        let nodes = core.links().nodes();
        let addresses: Vec<_> = nodes.iter().map(|(address, _)| address.clone()).collect();
        match self.listing.step(&addresses) {
            ListStep::Done => return Ok(false),
            ListStep::Discover => {
                drop(nodes);
                let link = core.link();
                let discovered = core.links().discover();
                let discovered = async { user_code::with_guarded(discovered?).await.ok() };
                let outcome = drive(link.link(), discovered).await.flatten();
                self.answered(outcome)?;
                self.listing.discovered();
            }
            ListStep::Scan(address, cursor) => {
                let node = nodes.iter().find(|(node, _)| *node == address);
                let Some((_, handle)) = node else { return Ok(true) };
                let page = user_code::with_guarded(handle.scan(core.space().clone(), cursor));
                let link = Arc::clone(handle.link());
                // The link of a node that is gone ends with its last handle.
                drop(nodes);
                let outcome = drive(&link, async { page.await.ok() }).await.flatten();
                let has = |(_, handle): &(_, LinkHandle)| Arc::ptr_eq(handle.link(), &link);
                if outcome.is_none() && !core.links().nodes().iter().any(has) {
                    return Ok(true);
                }
                let (keys, next) = self.answered(outcome).inspect_err(|_| self.listing.failed())?;
                self.found.extend(keys.into_iter().filter(|key| !self.seen.contains(key)));
                self.listing.scanned(address, next);
            }
        }
        Ok(true)
    }

    /// An error that names the prefix. Without an outcome the manager was shut down.
    fn answered<T>(&self, outcome: Option<Result<T, Failure>>) -> Result<T, LockError> {
        let prefix = self.core.space().prefix();
        let error = match outcome {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(failure)) => LockError::from_failure(prefix, Duration::ZERO, failure),
            None => self.core.closed(prefix),
        };
        Err(error.of(Operation::List))
    }
}

impl fmt::Debug for LockList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let returned = self.seen.len() - self.ready.len();
        f.debug_struct("LockList").field("returned", &returned).finish_non_exhaustive()
    }
}
