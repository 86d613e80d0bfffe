//! What an error means: for the command, for its connection, and for the next attempt to connect.

use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::backend::ConnectError;
use crate::backend::redis::address::Address;
use crate::backend::redis::resp::{NOT_RESP, TLS_ALERT};
use crate::backend::redis::value::{ServerError, WireError};
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::request::{CommandError, Redirect};
use crate::wire::slot::Slot;

/// Why a connection was not opened.
pub(crate) enum OpenError {
    /// The server refused, or the connection broke.
    Server(WireError),
    /// A step timed out.
    Slow(Duration),
    /// The server cannot keep locks.
    Unfit(ConnectErrorKind, String),
    /// The provider of the credentials failed.
    NoCredentials(String),
    /// The port does not speak TLS.
    #[cfg_attr(
        not(any(test, feature = "tls-rustls")),
        expect(dead_code, reason = "only TLS can fail so")
    )]
    WithoutTls,
}

impl From<WireError> for OpenError {
    fn from(error: WireError) -> Self {
        Self::Server(error)
    }
}

/// The host has no address. It may get one.
pub(crate) fn no_address(why: &str) -> OpenError {
    let text = format!("{why}; check the host name, and that this machine can resolve it");
    OpenError::Unfit(ConnectErrorKind::Unreachable, text)
}

/// What an error code means: for the command, and for an attempt to connect. Every error reply of a
/// server is judged here.
fn meaning(code: &str) -> (fn(String) -> CommandError, ConnectErrorKind) {
    match code {
        // Not done: ask again.
        "NOSCRIPT" => (|_| CommandError::ScriptMissing, ConnectErrorKind::Unreachable),
        // Not done: ask again later.
        "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" => {
            (CommandError::TryAgain, ConnectErrorKind::Unreachable)
        }
        // Not done, until the server is repaired or recovers, which may be soon: a replica that
        // restarts, a disk that gets space.
        "OOM" | "MISCONF" | "NOREPLICAS" => {
            (CommandError::Unhealthy, ConnectErrorKind::Unreachable)
        }
        // Not done. The server is not the primary, or not at present: the address may lead to
        // another one by now. One that loads its data although it was connected to before has
        // become a replica. One that unblocks a WAIT with an error has too. UNOPENED is an error of
        // `grant.lua`: the server has become the primary after this connection was made.
        "READONLY" | "UNBLOCKED" | "UNOPENED" | "MASTERDOWN" | "LOADING" => {
            (CommandError::NotPrimary, ConnectErrorKind::Unreachable)
        }
        // Refused, also later. MOVED and ASK are among them: they name another node of a cluster,
        // which a connection to one server does not follow. `node_error` is about those that do.
        _ => (CommandError::Refused, ConnectErrorKind::Permanent),
    }
}

/// The code of an error. Servers before 7.0 put the place in the script in front of that of a
/// command in a script: `ERR Error running script (call to f_…): @user_script:30: @user_script: 30:
/// -READONLY You can't …`, and without the first words where the script returns the error of
/// `pcall`.
fn code(error: &ServerError) -> &str {
    let code = error.code();
    let text = if code == "ERR" { error.detail() } else { code };
    if !text.contains("@user_script:") {
        return code;
    }
    let in_script = error.detail().rsplit_once(": -");
    in_script.and_then(|(_, words)| words.split_whitespace().next()).unwrap_or(code)
}

/// The error of a command.
pub(crate) fn call_error(error: &ServerError) -> CommandError {
    let (outcome, _) = meaning(code(error));
    outcome(error.words().to_owned())
}

/// The error of a command to a node of a cluster at this host.
pub(crate) fn node_error(error: &ServerError, host: &str) -> CommandError {
    let to = || redirect(error, host);
    let of_node = match code(error) {
        "MOVED" => to().map(CommandError::Moved),
        "ASK" => to().map(CommandError::Asked),
        "UNOPENED" => Some(CommandError::Unopened),
        // A script that has met a key which another node has by now. It can be sent again.
        _ if error.words().contains("non local key") => {
            Some(CommandError::TryAgain(error.words().to_owned()))
        }
        _ => None,
    };
    of_node.unwrap_or_else(|| call_error(error))
}

/// Whether a node refused a command because of its slot.
pub(crate) fn is_about_slot(error: &ServerError) -> bool {
    matches!(code(error), "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN")
}

/// `MOVED 3999 127.0.0.1:6381`. A node that does not know the name of the other one leaves it out:
/// its own host is meant.
fn redirect(error: &ServerError, host: &str) -> Option<Redirect> {
    let (slot, address) = error.detail().trim().split_once(' ')?;
    let slot = Slot::new(slot.parse().ok()?)?;
    let (other, port) = address.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = if matches!(other, "" | "?") { host } else { other };
    Some(Redirect { slot, address: format!("{host}:{port}").into() })
}

/// The error of an attempt to connect. If the server's text does not say what to do, a hint follows
/// after a semicolon. `provided`: the credentials come from a provider.
pub(crate) fn connect_error(address: &Address, error: OpenError, provided: bool) -> ConnectError {
    let (kind, text) = match error {
        OpenError::Slow(limit) => {
            let text = format!("{address} did not answer within {limit:?}");
            return ConnectError { text, kind: ConnectErrorKind::Unreachable };
        }
        OpenError::Unfit(kind, text) => (kind, text),
        OpenError::NoCredentials(why) => {
            let why = why.replace(';', ",");
            let text = format!(
                "the credentials provider failed ({why}); repair what it depends on, it is asked \
                 again at each attempt to connect"
            );
            (ConnectErrorKind::Unreachable, text)
        }
        // The next ones may be right: a password that was changed, a token that has just ended.
        OpenError::Server(WireError::Server(error)) if provided && is_wrong_password(&error) => (
            ConnectErrorKind::Unreachable,
            format!(
                "{}; check the user and the password that the credentials provider \
                 returns",
                error.words().trim_end_matches('.')
            ),
        ),
        OpenError::WithoutTls => (ConnectErrorKind::Permanent, WITHOUT_TLS.to_owned()),
        OpenError::Server(WireError::Server(error)) => explain(&error),
        OpenError::Server(WireError::Io(error)) => of_transport(address, &error),
        OpenError::Server(WireError::Unexpected(NOT_RESP)) => {
            let text = format!("{NOT_RESP}; check that a Redis server listens there");
            (ConnectErrorKind::Unreachable, text)
        }
        OpenError::Server(WireError::Unexpected(TLS_ALERT)) => {
            (ConnectErrorKind::Permanent, format!("{TLS_ALERT}; write rediss:// for it"))
        }
        OpenError::Server(WireError::Unexpected(what)) => {
            (ConnectErrorKind::Unreachable, what.to_owned())
        }
    };
    ConnectError { text: format!("{address}: {text}"), kind }
}

pub(crate) fn is_wrong_password(error: &ServerError) -> bool {
    matches!(error.code(), "WRONGPASS" | "NOAUTH")
}

const WITHOUT_TLS: &str =
    "the port does not speak TLS; write redis:// for it, or name the server's TLS port";

pub(crate) const WITHOUT_RESP3: &str = "it does not speak RESP3 (HELLO); locks need Redis 6.2 or \
    Valkey, and no proxy such as twemproxy or Envoy before it";

fn explain(error: &ServerError) -> (ConnectErrorKind, String) {
    let (code, text) = (code(error), error.words());
    let words = text.to_lowercase();
    if code == "NOPROTO" || code == "ERR" && words.contains("hello") {
        let text = format!("{WITHOUT_RESP3} ({})", text.replace(';', ","));
        return (ConnectErrorKind::Permanent, text);
    }
    if words.contains("max number of clients") {
        let text = format!("{text}; raise its maxclients, or close connections");
        return (ConnectErrorKind::Unreachable, text);
    }
    (meaning(code).1, text.to_owned())
}

/// What a TLS error means, and what to do: the first row of which the text has the first word, and
/// one of the others if there are any.
const TLS_ERRORS: [(&str, &[&str], &str, &str); 8] = [
    (
        BAD_CERTIFICATE,
        &["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature"],
        "the server's certificate comes from an authority that is not trusted",
        "pass the authority's certificate to `ca_certificate`",
    ),
    (
        BAD_CERTIFICATE,
        &["not valid for", "NotValidForName"],
        "the server's certificate is for another name",
        "connect with a host name of the certificate",
    ),
    (
        BAD_CERTIFICATE,
        &["not valid yet", "NotValidYet"],
        "the server's certificate is not valid yet",
        "check the clock of this machine",
    ),
    (
        BAD_CERTIFICATE,
        &["expired", "Expired"],
        "the server's certificate has expired",
        "renew it, or check the clock of this machine",
    ),
    (BAD_CERTIFICATE, &[], "the server's certificate is not accepted", "replace it"),
    (
        "CertificateRequired",
        &[],
        "the server asks for a certificate of the client",
        "set `client_certificate`",
    ),
    (
        "received fatal alert",
        &["Certificate", "UnknownCA", "DecryptError"],
        "the server does not accept the client's certificate",
        "set `client_certificate` to one that its authority has issued",
    ),
    (
        "received fatal alert",
        &[],
        "the server broke off the TLS handshake",
        "compare the TLS versions and ciphers of both sides",
    ),
];

const BAD_CERTIFICATE: &str = "invalid peer certificate";

/// TLS errors arrive as transport errors; only their text distinguishes them.
fn of_transport(address: &Address, error: &io::Error) -> (ConnectErrorKind, String) {
    let text = error.to_string();
    let has = |word: &str| text.contains(word);
    if has("received corrupt message") {
        return (ConnectErrorKind::Permanent, WITHOUT_TLS.to_owned());
    }
    let is_told = |(word, others, ..): &&(&str, &[&str], &str, &str)| {
        has(word) && (others.is_empty() || others.iter().any(|&word| has(word)))
    };
    if let Some((.., what, next)) = TLS_ERRORS.iter().find(is_told) {
        let text = format!("{what} ({}); {next}", text.replace(';', ","));
        return (ConnectErrorKind::Permanent, text);
    }
    let is_dropped = matches!(
        error.kind(),
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::NotConnected
            | ErrorKind::UnexpectedEof
    );
    let next = match (address, error.kind()) {
        (Address::Tcp { .. }, _) if is_dropped => {
            "check that a Redis server listens there, and write rediss:// if it expects TLS"
        }
        (Address::Unix(_), ErrorKind::NotFound) => {
            "check the path, and `unixsocket` in the server's configuration"
        }
        (Address::Unix(_), ErrorKind::PermissionDenied) => {
            "let this process write to the socket: `unixsocketperm` in the server's configuration"
        }
        _ => return (ConnectErrorKind::Unreachable, text),
    };
    (ConnectErrorKind::Unreachable, format!("{text}; {next}"))
}

#[cfg(test)]
pub(crate) mod tests;
