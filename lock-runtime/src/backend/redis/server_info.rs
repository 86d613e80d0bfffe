//! Version, mode and role of a server, and whether it can keep locks.

use redis::Value;

use crate::backend::preflight::field;
use crate::backend::redis::errors::OpenError;
use crate::protocol::connection::ConnectErrorKind;

/// Version, mode and role: from HELLO, which any user may, else from INFO.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    version: Option<String>,
    mode: Option<String>,
    role: Option<String>,
}

impl Facts {
    pub(crate) fn new(hello: Option<&Value>, info: Option<&str>) -> Self {
        let fact = |in_hello: &str, in_info: &str| {
            let said = hello.and_then(|hello| entry(hello, in_hello));
            said.or_else(|| field(info?, in_info).map(str::to_owned))
        };
        Self {
            version: fact("version", "redis_version"),
            mode: fact("mode", "redis_mode"),
            role: fact("role", "role"),
        }
    }

    /// An error for a server that cannot keep locks. Unknown facts are no error.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let (kind, text) = match (self.mode.as_deref(), self.role.as_deref()) {
            (Some("sentinel"), _) => (
                ConnectErrorKind::Permanent,
                "this is a Sentinel, which is not supported yet; connect to the primary that it \
                 watches"
                    .to_owned(),
            ),
            (Some("cluster"), _) => (
                ConnectErrorKind::Permanent,
                "this is a node of a Redis Cluster, which is not supported yet; use one primary \
                 with cluster-enabled no"
                    .to_owned(),
            ),
            (_, Some("slave" | "replica")) => (
                ConnectErrorKind::Unsuitable,
                "this is a replica, which grants no locks; connect to the primary, not to a replica"
                    .to_owned(),
            ),
            _ => match &self.version {
                Some(version) if is_before_6_2(version) => (
                    ConnectErrorKind::Permanent,
                    format!("this is Redis {version}; locks need Redis 6.2 or later, or Valkey"),
                ),
                _ => return Ok(()),
            },
        };
        Err(OpenError::Unfit(kind, text))
    }
}

fn entry(map: &Value, name: &str) -> Option<String> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    };
    let Value::Map(entries) = map else { return None };
    entries
        .iter()
        .find(|(key, _)| text(key).as_deref() == Some(name))
        .and_then(|(_, value)| text(value))
}

fn is_before_6_2(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (6, 2)
}

#[cfg(test)]
mod tests;
