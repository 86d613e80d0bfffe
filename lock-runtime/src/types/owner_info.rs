//! Who holds or waits for a lock, for people to read: the call site, the process, and what others
//! are shown of both.
//!
//! A request carries an [`OwnerInfo`], which is stored on the server. A [`HolderInfo`] is read back
//! from there, and [`Holder`] is what users see of it.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use crate::types::environment::process_id;
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::types::text::{Decimal, printable};
use crate::types::time::{self, Timestamp};

/// What is known of an annotated function when it is compiled, or of a name that a request has
/// instead of its line.
#[derive(Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Empty for a name of a request.
    pub module: &'static str,
    pub function: &'static str,
    pub key_pattern: KeyPattern,
    pub location: &'static Location<'static>,
}

/// Those of requests with a name. Never removed, as a [`CallSite`] is copied freely. Names live as
/// long as the process too, so there are few, unless a program makes them without end.
static NAMED: LazyLock<RwLock<HashMap<(&str, &Location<'_>), &FunctionInfo>>> =
    LazyLock::new(RwLock::default);

impl FunctionInfo {
    #[cold]
    fn make_named(name: &'static str, location: &'static Location<'static>) -> &'static Self {
        let mut known = NAMED.write().unwrap_or_else(PoisonError::into_inner);
        known.entry((name, location)).or_insert_with(|| {
            // A label begins behind the first line break.
            let function = if name.contains('\n') { name.replace('\n', " ").leak() } else { name };
            let key_pattern = KeyPattern::Line(location);
            Box::leak(Box::new(Self { module: "", function, key_pattern, location }))
        })
    }
}

/// Where a lock is taken. Cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallSite {
    /// By an annotated function, or by hand for a function of this name.
    Function(&'static FunctionInfo),
    /// By hand, on this line.
    Line(&'static Location<'static>),
}

/// The kind of keys that are taken at a place: the key as it is written, or any key that a line
/// takes by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPattern {
    Written(&'static str),
    Line(&'static Location<'static>),
}

impl CallSite {
    /// This line, with a name that others see instead of it.
    pub fn named(self, name: &'static str) -> Self {
        let (Self::Line(location) | Self::Function(&FunctionInfo { location, .. })) = self;
        let known = || NAMED.read().unwrap_or_else(PoisonError::into_inner);
        let known = known().get(&(name, location)).copied();
        Self::Function(known.unwrap_or_else(|| FunctionInfo::make_named(name, location)))
    }

    pub const fn key_pattern(self) -> KeyPattern {
        match self {
            Self::Function(label) => label.key_pattern,
            Self::Line(location) => KeyPattern::Line(location),
        }
    }

    /// The same for metrics and traces, where a request by hand may have a label of its own.
    pub fn template(self, label: Option<&'static str>) -> KeyPattern {
        match (self.key_pattern(), label) {
            (KeyPattern::Line(_), Some(label)) => KeyPattern::Written(label),
            (pattern, _) => pattern,
        }
    }

    /// Who takes it, shown to others that wait.
    pub fn name(self) -> String {
        match self {
            Self::Function(FunctionInfo { module: "", function, .. }) => (*function).to_owned(),
            Self::Function(label) => [label.module, "::", label.function].concat(),
            Self::Line(at) => {
                let [line, column] =
                    [at.line(), at.column()].map(|number| Decimal::new(number.into(), ""));
                [at.file(), ":", line.text(), ":", column.text()].concat()
            }
        }
    }
}

impl KeyPattern {
    /// The key as it is written, or where it is taken.
    pub fn text(self) -> Cow<'static, str> {
        match self {
            Self::Written(text) => text.into(),
            Self::Line(at) => format!("{}:{}", at.file(), at.line()).into(),
        }
    }
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(FunctionInfo { location, .. }) => {
                write!(f, "{} at {}:{}", self.name(), location.file(), location.line())
            }
            Self::Line(location) => write!(f, "{}:{}", location.file(), location.line()),
        }
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(key_pattern) => write!(f, "\"{key_pattern}\""),
            Self::Line(location) => {
                write!(f, "the lock of {}:{}", location.file(), location.line())
            }
        }
    }
}

/// This process as shown to others.
#[derive(Debug)]
pub struct ProcessInfo {
    host: Arc<str>,
    pid: u32,
    /// What is stored with all locks of the manager, unless a request has a label of its own.
    pub label: Option<Box<str>>,
}

impl ProcessInfo {
    pub fn of_this_process() -> Self {
        let host = OwnerInfo::sanitize_host(&gethostname::gethostname().to_string_lossy());
        Self { host: host.into(), pid: process_id(), label: None }
    }

    /// Whether this process is meant.
    pub fn is(&self, owner: &OwnerInfo) -> bool {
        owner.pid == self.pid && owner.host == self.host
    }

    /// The owner info of a request that `call_site` made at `since`.
    pub fn owner_info(
        &self,
        ttl: Duration,
        call_site: CallSite,
        label: Option<&str>,
        since: Timestamp,
    ) -> OwnerInfo {
        let name = call_site.name();
        OwnerInfo {
            ttl,
            since_unix_ms: time::unix_ms(since),
            pid: self.pid,
            host: Arc::clone(&self.host),
            function: match label {
                Some(label) => format!("{name}\n{label}"),
                None => name,
            },
        }
    }
}

/// Describes a request to others: written into the hold, shown to those who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerInfo {
    /// The requested ttl.
    pub ttl: Duration,
    /// Wall clock of its host when the request was made, in ms since 1970. For people to read;
    /// nothing is decided by it. If the request had to wait, a slash and the server's clock at the
    /// grant follow in the stored hold.
    pub since_unix_ms: u64,
    /// Operating system's id of the process.
    pub pid: u32,
    /// Name of the host.
    pub host: Arc<str>,
    /// The function that took the lock; behind it, on a line of its own, a label if there is one.
    pub function: String,
}

impl OwnerInfo {
    /// Reads the text form: when it was made, then the rest.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (since, rest) = text.split_once(' ')?;
        Self::from_parts(since, rest)
    }

    pub(crate) fn from_parts(since: &str, rest: &str) -> Option<Self> {
        let mut words = rest.splitn(4, ' ');
        Some(Self {
            ttl: Duration::from_millis(words.next()?.parse().ok()?),
            since_unix_ms: since.parse().ok()?,
            pid: words.next()?.parse().ok()?,
            host: words.next()?.into(),
            function: words.next()?.to_owned(),
        })
    }

    /// Whether the other request differs only in when it was made.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let Self { ttl, since_unix_ms: _, pid, host, function } = self;
        (ttl, pid, host, function) == (&other.ttl, &other.pid, &other.host, &other.function)
    }

    /// The function that took the lock, and the label.
    #[must_use]
    pub fn function_and_label(&self) -> (&str, Option<&str>) {
        match self.function.split_once('\n') {
            Some((function, label)) => (function, Some(label)),
            None => (&self.function, None),
        }
    }

    /// The host name as one word, as the text form needs it.
    #[must_use]
    pub fn sanitize_host(text: &str) -> String {
        let word: String = text.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect();
        if word.is_empty() { "?".to_owned() } else { word }
    }
}

impl fmt::Display for OwnerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ttl, since_unix_ms, pid, host, function } = self;
        write!(f, "{since_unix_ms} {} {pid} {host} {function}", ttl.as_millis())
    }
}

/// The holder of a lock, as stored on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderInfo {
    /// The name of its request; none if it [has released](Self::is_kept) the lock.
    pub id: RequestId,
    /// Its fencing token.
    pub fence: Fence,
    /// Who it is.
    pub owner: OwnerInfo,
    /// The server's wall clock when it was granted the lock, in ms since 1970; `None` if that was
    /// at once.
    pub held_unix_ms: Option<u64>,
}

impl HolderInfo {
    /// Whether it has released the lock, whose key stays taken until the hold is as old as its
    /// `min_hold`.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.id == RequestId::NONE
    }

    /// Reads the value of a hold key: `dl1`, the queue flag, request id, when it was made and when
    /// it was granted, fence, size of the block, inbox and description.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let body = value.strip_prefix("dl1-").or_else(|| value.strip_prefix("dl1w"))?;
        let mut words = body.splitn(6, ' ');
        let id = RequestId::parse(words.next()?)?;
        let times = words.next()?;
        let (since, granted) = match times.split_once('/') {
            Some((since, granted)) => (since, Some(granted.parse().ok()?)),
            None => (times, None),
        };
        let fence = Fence::new(words.next()?.parse().ok()?);
        let owner = OwnerInfo::from_parts(since, words.nth(2)?)?;
        Some(Self { id, fence, owner, held_unix_ms: granted })
    }
}

/// The holder of a lock. Informational: only the fencing token identifies a hold reliably.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Holder {
    /// Its fencing token.
    pub fence: Fence,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// The function or call site that acquired the lock, or what the request says of it:
    /// [`LockRequest::function`](crate::LockRequest::function).
    pub function: String,
    /// The label of the request or its manager: [`LockRequest::label`](crate::LockRequest::label).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub label: Option<String>,
    /// When it requested the lock, by its own host's clock.
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "time::serde_unix_ms"))]
    pub since: SystemTime,
    /// When it acquired the lock. Equal to [`since`](Self::since) if it did not wait, otherwise by
    /// the server's clock. For a hold of this process, by its own clock.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "held_since_unix_ms", with = "time::serde_unix_ms")
    )]
    pub held_since: SystemTime,
    /// Whether it has released the lock, whose key stays taken until the hold is as old as its
    /// [`min_hold`](crate::LockRequest::min_hold).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub kept: bool,
}

impl From<HolderInfo> for Holder {
    fn from(holder: HolderInfo) -> Self {
        let kept = holder.is_kept();
        let since = since(&holder.owner);
        let held_since = holder.held_unix_ms.map_or(since, instant);
        let (function, label) = function_and_label(&holder.owner);
        let (fence, host, pid) = (holder.fence, holder.owner.host.to_string(), holder.owner.pid);
        Self { fence, host, pid, function, label, since, held_since, kept }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.function))?;
        if let Some(label) = &self.label {
            write!(f, " ({})", printable(label))?;
        }
        let host = printable(&self.host);
        write!(f, " in process {} on {host} (fence {})", self.pid, self.fence)
    }
}

pub(crate) fn since(owner: &OwnerInfo) -> SystemTime {
    instant(owner.since_unix_ms)
}

/// Other processes may have written a value that is out of range.
fn instant(unix_ms: u64) -> SystemTime {
    time::from_unix_ms(unix_ms).unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(crate) fn function_and_label(owner: &OwnerInfo) -> (String, Option<String>) {
    let (function, label) = owner.function_and_label();
    (function.to_owned(), label.map(str::to_owned))
}
