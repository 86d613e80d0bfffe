//! Who holds or waits for a lock, for people to read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::types::fence::Fence;
use crate::types::request_id::RequestId;

/// Describes a request to others: written into the hold, shown to those who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerInfo {
    /// The requested ttl.
    pub ttl: Duration,
    /// Wall clock of its host when the request was made, in ms since 1970. For people to read;
    /// nothing is decided by it. If the request had to wait, a slash and the server's clock at the
    /// grant follow in the stored text.
    pub since_unix_ms: u64,
    /// Operating system's id of the process.
    pub pid: u32,
    /// Name of the host.
    pub host: Arc<str>,
    /// The function that took the lock; behind it, on a line of its own, a label if there is one.
    pub function: String,
}

impl OwnerInfo {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(5, ' ');
        Some(Self {
            ttl: Duration::from_millis(words.next()?.parse().ok()?),
            since_unix_ms: words.next()?.split('/').next()?.parse().ok()?,
            pid: words.next()?.parse().ok()?,
            host: words.next()?.into(),
            function: words.next()?.to_owned(),
        })
    }

    /// The same with a label.
    #[must_use]
    pub fn with_label(mut self, label: &str) -> Self {
        self.function.push('\n');
        self.function.push_str(label);
        self
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
        let ttl = self.ttl.as_millis();
        write!(f, "{ttl} {} {} {} {}", self.since_unix_ms, self.pid, self.host, self.function)
    }
}

/// The holder of a lock, as stored on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderInfo {
    /// The name of its request.
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
    /// Reads the value of a hold key: `dl1`, the queue flag, request id, fence, size of the block,
    /// inbox and description.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let body = value.strip_prefix("dl1-").or_else(|| value.strip_prefix("dl1w"))?;
        let mut words = body.splitn(5, ' ');
        let id = RequestId::parse(words.next()?)?;
        let fence = Fence::new(words.next()?.parse().ok()?);
        let description = words.nth(2)?;
        let held = description.split(' ').nth(1)?.split_once('/').map(|(_, held)| held.parse());
        let owner = OwnerInfo::parse(description)?;
        Some(Self { id, fence, owner, held_unix_ms: held.transpose().ok()? })
    }
}

#[cfg(test)]
mod tests;
