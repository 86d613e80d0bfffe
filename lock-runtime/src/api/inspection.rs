//! The state of one lock, and its forced release.

use std::future::pending;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use crate::acquire::core::ManagerCore;
use crate::error::{LockError, Operation};
use crate::link::effect::{DirectAnswer, NotAnswered};
use crate::types::fence::Fence;
use crate::types::owner_info::{Holder, HolderInfo, OwnerInfo, function_and_label, since};
use crate::types::pause::GrantPause;
use crate::types::time;
use crate::user_code;
use crate::wire::command::WaitTarget;
use crate::wire::keyspace::Mark;
use crate::wire::reply::{BlockedWait, LockState, Reply, WaiterInfo};

/// How long a question waits while the slot of its key is being moved.
const MOVING: Duration = Duration::from_secs(5);
/// How soon it asks again.
const SOON: Duration = Duration::from_millis(20);
/// How long it waits for what is registered inside a hold: in a cluster another node has that, to
/// which this process may not be connected yet.
const INSIDE: Duration = Duration::from_secs(1);

/// The state of the lock of this key, with the waiters of this process.
pub(crate) async fn inspect(core: &ManagerCore, key: &str) -> Result<Inspection, LockError> {
    let mut found = answer(core, (Operation::Inspect, key), || core.links().inspect(key)).await?;
    core.add_local_view(key, &mut found);
    let nested_waits = nested_waits(core, key, found.holder.as_ref()).await;
    let nested_waits_unknown = nested_waits.is_none();
    let nested_waits = nested_waits.unwrap_or_default();
    Ok(Inspection { nested_waits, nested_waits_unknown, ..found.into() })
}

/// Whether the lock of this key was held under this token; it is released then.
pub(crate) async fn force_release(
    core: &ManagerCore,
    key: &str,
    fence: Fence,
) -> Result<bool, LockError> {
    answer(core, (Operation::ForceRelease, key), || core.links().force_release(key, fence)).await
}

/// The answer of the server of this key to a question, which is repeated while the slot is moved.
async fn answer<T: Send + 'static>(
    core: &ManagerCore,
    (operation, key): (Operation, &str),
    ask: impl Fn() -> oneshot::Receiver<DirectAnswer<T>>,
) -> Result<T, LockError> {
    let since = time::now();
    loop {
        let asked = user_code::with_guarded(ask());
        return match core.drive(key, async { asked.await.ok() }).await {
            Some(Ok(found)) => Ok(found),
            Some(Err(NotAnswered::NotNow(_))) if since.plus(MOVING) > time::now() => {
                core.until(Some(time::now().plus(SOON)), pending::<()>()).await;
                continue;
            }
            Some(Err(NotAnswered::NotNow(failure) | NotAnswered::Failed(failure))) => {
                Err(LockError::from_failure(key, Duration::ZERO, failure).of(operation))
            }
            None => Err(core.closed(key).of(operation)),
        };
    }
}

/// What is waited for inside a hold, as deadlock detection has registered it. `None` if that cannot
/// be read: the rest of the inspection is worth more.
async fn nested_waits(
    core: &ManagerCore,
    key: &str,
    holder: Option<&HolderInfo>,
) -> Option<Vec<NestedWait>> {
    let Some(holder) = holder.filter(|holder| !holder.is_kept()) else { return Some(Vec::new()) };
    let until = Some(time::now().plus(INSIDE));
    let look = || {
        let inside = user_code::with_guarded(core.links().look_inside(holder.id));
        core.drive(key, async { inside.await.ok() })
    };
    let waits = core.until(until, async {
        loop {
            match look().await {
                Some(Ok(Reply::Blocked(waits))) => return Some(waits),
                Some(Err(error)) if error.is_for_long() => return None,
                _ => {}
            }
            core.until(Some(time::now().plus(SOON)), pending::<()>()).await;
        }
    });
    let waits = waits.await.flatten()?;
    let is_for_key = |wait: &BlockedWait| wait.target == WaitTarget::Key;
    Some(waits.into_iter().filter(is_for_key).map(NestedWait::from).collect())
}

/// The state of one lock, from [`LockManager::inspect`](crate::LockManager::inspect).
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::LockManager;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let locks = LockManager::connect("memory://")?;
/// let guard = locks.mutex("report").acquire().await?;
/// let found = locks.inspect("report").await?;
/// assert_eq!(found.holder.map(|holder| holder.fence), Some(guard.fence()));
/// assert_eq!(found.waiting, 0);
/// # Ok::<(), distlock::LockError>(())
/// # }).unwrap();
/// ```
///
/// With the feature `serde`, instants and durations of this type, [`Holder`], [`Waiter`],
/// [`NestedWait`] and [`GrantPause`] are serialized as milliseconds, in fields with the suffix
/// `_ms`: `expires_in_ms`, `since_unix_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Inspection {
    /// The holder. `None` if the lock is free, or if its key is not a lock of this library.
    pub holder: Option<Holder>,
    /// Whether the Redis key exists but is not a lock of this library. If
    /// [`expires_in`](Self::expires_in) is set, it may be the lock of another client library.
    pub not_a_lock: bool,
    /// When the hold ends for its owner without a renewal, or when the other key expires. The Redis
    /// key of a hold lives longer by the [server TTL
    /// slack](crate::LockManagerBuilder::server_ttl_slack), for which the setting of this manager
    /// is assumed.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "expires_in_ms", with = "time::serde_optional_ms")
    )]
    pub expires_in: Option<Duration>,
    /// The number of waiting requests. Beyond the first hundred it includes requests of dead
    /// processes until these are removed.
    pub waiting: u64,
    /// The first hundred waiting requests in the order of the queue.
    pub waiters: Vec<Waiter>,
    /// What the holder itself waits for: the requests for other locks that wait inside the hold.
    /// These are the edges of the graph of who waits for whom. A request is listed once it has
    /// waited for half a second, in each of the holds that it is made inside, and for up to two
    /// seconds after its wait has ended.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub nested_waits: Vec<NestedWait>,
    /// Whether what the holder itself waits for could not be read, so that
    /// [`nested_waits`](Self::nested_waits) is empty and says nothing. In a cluster another node
    /// may have it, which did not answer within a second. The user may also lack the right
    /// `+hgetall`.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// let locks = distlock::LockManager::connect("memory://")?;
    /// let found = locks.inspect_blocking("report")?;
    /// if found.nested_waits.is_empty() && !found.nested_waits_unknown {
    ///     println!("its holder waits for no other lock");
    /// }
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub nested_waits_unknown: bool,
    /// The primary that draws the fencing tokens of all locks under this prefix: the first eight
    /// digits of its `master_replid`, as `INFO replication` shows it. It changes with a failover
    /// and a restart. `None` if no tokens have been drawn, if the server does not show its
    /// identity, and in memory.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub primary: Option<String>,
    /// Whether the server grants no locks at present, of any key under this prefix.
    ///
    /// ```no_run
    /// # use distlock_runtime as distlock;
    /// let locks = distlock::LockManager::connect("redis://127.0.0.1/")?;
    /// let found = locks.inspect_blocking("report")?;
    /// if let Some(pause) = found.pause {
    ///     println!("{pause}"); // grants resume in 1.4s (failover)
    /// }
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub pause: Option<GrantPause>,
}

/// A request that waits for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Waiter {
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// The function or call site that requests the lock, or what the request says of it:
    /// [`LockRequest::function`](crate::LockRequest::function).
    pub function: String,
    /// The label of the request or its manager.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub label: Option<String>,
    /// When it requested the lock, by its own host's clock.
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "time::serde_unix_ms"))]
    pub since: SystemTime,
}

/// A request that waits for a lock inside the hold of another one:
/// [`Inspection::nested_waits`]. Its process is that of the holder.
///
/// ```no_run
/// # use distlock_runtime as distlock;
/// let locks = distlock::LockManager::connect("redis://127.0.0.1/")?;
/// for wait in locks.inspect_blocking("account:7")?.nested_waits {
///     println!("the holder of account:7 waits for {} in {}", wait.key, wait.function);
/// }
/// # Ok::<(), distlock::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NestedWait {
    /// Names this wait: the same in all holds that it is made inside, and in no other one.
    pub id: String,
    /// The key that it waits for.
    pub key: String,
    /// The function or call site that waits.
    pub function: String,
    /// When it requested the lock, by its own host's clock.
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "time::serde_unix_ms"))]
    pub since: SystemTime,
}

impl From<BlockedWait> for NestedWait {
    fn from(BlockedWait { request, .. }: BlockedWait) -> Self {
        let since = since(&request.owner);
        let (function, _) = function_and_label(&request.owner);
        // Of the registration alone: it releases nothing.
        Self { id: request.id.to_string(), key: request.key, function, since }
    }
}

impl From<WaiterInfo> for Waiter {
    fn from(waiter: WaiterInfo) -> Self {
        let since = since(&waiter.owner);
        let (function, label) = function_and_label(&waiter.owner);
        let OwnerInfo { host, pid, .. } = waiter.owner;
        Self { host: host.to_string(), pid, function, label, since }
    }
}

impl From<LockState> for Inspection {
    fn from(found: LockState) -> Self {
        let mark = found.mark.filter(|&mark| mark != Mark::default());
        Self {
            holder: found.holder.map(Holder::from),
            not_a_lock: found.not_a_lock,
            expires_in: found.left,
            waiting: found.waiting,
            waiters: found.waiters.into_iter().map(Waiter::from).collect(),
            nested_waits: Vec::new(),
            nested_waits_unknown: false,
            primary: mark.map(|mark| mark.to_string()),
            pause: found.pause,
        }
    }
}
