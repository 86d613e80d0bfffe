//! Where servers listen for TCP connections, and URLs that list such addresses.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use crate::types::text::printable;

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp {
        host: String,
        port: u16,
    },
    Tls {
        host: String,
        port: u16,
        /// Every server is trusted, which is asked for and refused.
        insecure: bool,
    },
    Unix(PathBuf),
}

impl Address {
    /// Empty for a Unix socket.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Tcp { host, .. } | Self::Tls { host, .. } => host,
            Self::Unix(_) => "",
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A host and a port. The host is in lower case, and has no brackets if it is an IPv6 address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeAddress {
    host: Box<str>,
    port: u16,
}

impl NodeAddress {
    /// `None` for what is no host or no port.
    pub(crate) fn new(host: &str, port: u16) -> Option<Self> {
        let is_foreign = |c: char| c.is_whitespace() || c.is_control() || "/@,?#[]".contains(c);
        let is_host = !host.is_empty() && !host.contains(is_foreign);
        (is_host && port != 0).then(|| Self { host: host.to_ascii_lowercase().into(), port })
    }

    /// Reads `host:port`, `[host]:port`, or one of them without the port.
    pub(crate) fn parse(text: &str, default_port: u16) -> Option<Self> {
        let host_end = text.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match text[host_end..].rfind(':') {
            Some(colon) => {
                let (host, port) = text.split_at(host_end + colon);
                (host, port[1..].parse().ok()?)
            }
            None => (text, default_port),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Self::new(host, port)
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// This address for a connection, with TLS if the other one has it.
    pub(crate) fn to_connect(&self, like: &Address) -> Address {
        let (host, port) = (self.host.to_string(), self.port);
        match like {
            Address::Tls { insecure, .. } => Address::Tls { host, port, insecure: *insecure },
            _ => Address::Tcp { host, port },
        }
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The addresses as messages show them.
pub(crate) fn joined(addresses: &[NodeAddress]) -> String {
    addresses.iter().map(NodeAddress::to_string).collect::<Vec<_>>().join(",")
}

/// Reads each address. An error says which one is none.
pub(crate) fn parse_all<'a>(
    addresses: impl IntoIterator<Item = &'a str>,
    default_port: u16,
) -> Result<Vec<NodeAddress>, String> {
    let parse = |text: &str| {
        let wrong = if text.is_empty() { "an empty text".into() } else { printable(text) };
        NodeAddress::parse(text, default_port).ok_or_else(|| format!("{wrong} is no address"))
    };
    let addresses: Vec<_> = addresses.into_iter().map(parse).collect::<Result<_, _>>()?;
    if addresses.is_empty() { Err("there is none".to_owned()) } else { Ok(addresses) }
}

/// `redis-kind://user:password@host:port,host:port/path?query`, or the same with `rediss-kind` for
/// TLS.
pub(crate) struct AddressListUrl<'a> {
    pub(crate) addresses: Vec<NodeAddress>,
    /// What follows the first slash after the addresses.
    pub(crate) path: &'a str,
    scheme: &'static str,
    user: &'a str,
    query: Option<&'a str>,
}

impl<'a> AddressListUrl<'a> {
    /// `None` if that is not its scheme.
    pub(crate) fn parse(
        url: &'a str,
        kind: &str,
        default_port: u16,
    ) -> Option<Result<Self, String>> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = match scheme.strip_suffix(kind)? {
            "redis-" => "redis",
            "rediss-" => "rediss",
            _ => return None,
        };
        let (rest, query) =
            rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let user = &hosts[..hosts.rfind('@').map_or(0, |at| at + 1)];
        let addresses = parse_all(hosts[user.len()..].split(','), default_port);
        Some(addresses.map(|addresses| Self { addresses, path, scheme, user, query }))
    }

    /// The URL of the first server, with this path.
    pub(crate) fn server(&self, path: &str) -> Option<String> {
        let Self { addresses, scheme, user, query, .. } = self;
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Some(format!("{scheme}://{user}{}/{path}{query}", addresses.first()?))
    }
}
