//! URLs of a server, as the crate `redis` reads them.
//!
//! `redis://user:password@host:port/database?protocol=resp3`, with `rediss` for TLS, and
//! `unix:///path?user=name&pass=password&db=database`. Valkey's names of the schemes are known too.

#[cfg(test)]
mod tests;

use std::net::Ipv6Addr;
use std::path::PathBuf;

use percent_encoding::{CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::backend::redis::address::Address;
use crate::backend::redis::endpoint::Endpoint;
use crate::types::text::printable;

const PORT: u16 = 6379;

const UNREADABLE: &str = "Redis URL did not parse";

/// The parts of a URL, still encoded.
struct Parts<'a> {
    user: &'a str,
    password: &'a str,
    /// Empty if there is none.
    host: String,
    port: u16,
    /// Begins with a slash, unless it is empty or has no slash.
    path: String,
    query: &'a str,
    fragment: Option<&'a str>,
}

/// An error says what is wrong, and has no part of the URL in it that may be a password.
pub(crate) fn parse(url: &str) -> Result<Endpoint, String> {
    let is_ignored = |c: char| matches!(c, '\t' | '\n' | '\r');
    let url = url.trim_matches(|c: char| c <= ' ').replace(is_ignored, "");
    let (scheme, rest) = url.split_once(':').ok_or(UNREADABLE)?;
    let scheme = scheme.to_ascii_lowercase();
    let is_known = |known: &[&str]| known.contains(&scheme.as_str());
    if is_known(&["redis", "valkey"]) {
        of_tcp(&Parts::parse(rest)?, false)
    } else if is_known(&["rediss", "valkeys"]) {
        of_tcp(&Parts::parse(rest)?, true)
    } else if is_known(&["unix", "redis+unix", "valkey+unix"]) {
        of_socket(&Parts::parse(rest)?)
    } else {
        Err(UNREADABLE.to_owned())
    }
}

impl<'a> Parts<'a> {
    fn parse(rest: &'a str) -> Result<Self, &'static str> {
        let (rest, fragment) = split_off(rest, '#');
        let (rest, query) = split_off(rest, '?');
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        let (user_info, address) = match authority.rsplit_once('@') {
            Some(("", "")) if !path.is_empty() || query.is_some() || fragment.is_some() => {
                return Err(UNREADABLE);
            }
            Some((user_info, address)) => (user_info, address),
            None => ("", authority),
        };
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let (host, port) = split_host(address);
        if host.is_empty() && (port.is_some() || !user.is_empty() || !password.is_empty()) {
            return Err(UNREADABLE);
        }
        let host = read_host(host).ok_or(UNREADABLE)?;
        let port = match port {
            None | Some("") => PORT,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| UNREADABLE)?
            }
            Some(_) => return Err(UNREADABLE),
        };
        let (path, query) = (without_dots(path), query.unwrap_or_default());
        Ok(Self { user, password, host, port, path, query, fragment })
    }

    /// A parameter of the query.
    fn parameter(&self, name: &str) -> Option<String> {
        let decoded = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        // The last one counts.
        self.query.rsplit('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key) == name).then(|| decoded(value))
        })
    }

    /// Looks at the version of the protocol, which is RESP3 anyhow.
    fn check_protocol(&self) -> Result<(), String> {
        match self.parameter("protocol").as_deref() {
            None | Some("2" | "resp2" | "3" | "resp3") => Ok(()),
            Some(other) => Err(format!("Invalid protocol version: {}", printable(other))),
        }
    }
}

fn of_tcp(parts: &Parts<'_>, tls: bool) -> Result<Endpoint, String> {
    let (host, port) = (parts.host.clone(), parts.port);
    match &*host {
        "" => return Err("Missing hostname".to_owned()),
        "0.0.0.0" | "::" => {
            return Err("Cannot connect to a wildcard address (0.0.0.0 or ::)".to_owned());
        }
        _ => {}
    }
    let address = match parts.fragment {
        _ if !tls => Address::Tcp { host, port },
        None | Some("insecure") => Address::Tls { host, port, insecure: parts.fragment.is_some() },
        Some(_) => return Err("only #insecure is supported as URL fragment".to_owned()),
    };
    let mut endpoint = Endpoint::new(address);
    endpoint.database = match parts.path.trim_matches('/') {
        "" => 0,
        path => database(path)?,
    };
    endpoint.user = credential(parts.user, "Username")?;
    endpoint.password = credential(parts.password, "Password")?;
    parts.check_protocol()?;
    Ok(endpoint)
}

/// `None` if there is none.
fn credential(encoded: &str, what: &str) -> Result<Option<String>, String> {
    let decoded = percent_decode_str(encoded).decode_utf8();
    let decoded = decoded.map_err(|_| format!("{what} is not valid UTF-8 string"))?;
    Ok((!encoded.is_empty()).then(|| decoded.into_owned()))
}

fn database(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "Invalid database number".to_owned())
}

#[cfg(unix)]
fn of_socket(parts: &Parts<'_>) -> Result<Endpoint, String> {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    if !matches!(&*parts.host, "" | "localhost") || !parts.path.starts_with('/') {
        return Err("Missing path".to_owned());
    }
    let path = OsString::from_vec(percent_decode_str(&parts.path).collect());
    let mut endpoint = Endpoint::new(Address::Unix(PathBuf::from(path)));
    endpoint.database = parts.parameter("db").map_or(Ok(0), |number| database(&number))?;
    endpoint.user = parts.parameter("user");
    endpoint.password = parts.parameter("pass");
    parts.check_protocol()?;
    Ok(endpoint)
}

#[cfg(not(unix))]
fn of_socket(_: &Parts<'_>) -> Result<Endpoint, String> {
    Err("Unix sockets are not available on this platform.".to_owned())
}

fn split_off(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

/// Splits at the first colon that is not in brackets.
fn split_host(address: &str) -> (&str, Option<&str>) {
    let mut inside = false;
    let colon = address.find(|c: char| {
        inside = if inside { c != ']' } else { c == '[' };
        c == ':' && !inside
    });
    colon.map_or((address, None), |at| (&address[..at], Some(&address[at + 1..])))
}

/// An IPv6 address comes in brackets. `None` for what is no host.
fn read_host(host: &str) -> Option<String> {
    if let Some(rest) = host.strip_prefix('[') {
        let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    let is_foreign = |c: char| " #/:<>?@[\\]^|\0".contains(c);
    (!host.contains(is_foreign)).then(|| utf8_percent_encode(host, CONTROLS).to_string())
}

/// Takes out the segments `.` and `..`.
fn without_dots(path: &str) -> String {
    let Some(path) = path.strip_prefix('/') else { return path.to_owned() };
    let mut kept = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        match &*plain {
            "." => {}
            ".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}
