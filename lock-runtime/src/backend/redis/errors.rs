//! What an error means: for the command, for its connection, and for the next attempt to connect.

use std::time::Duration;

use redis::{Client, ConnectionAddr, ErrorKind, RedisError};

use crate::backend::ConnectError;
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::request::CommandError;

/// Why a connection was not opened.
pub(crate) enum OpenError {
    /// The server refused, or the connection broke.
    Server(RedisError),
    /// A step timed out.
    Slow(Duration),
    /// The server cannot keep locks.
    Unfit(ConnectErrorKind, String),
    /// The port does not speak TLS.
    WithoutTls,
}

impl From<RedisError> for OpenError {
    fn from(error: RedisError) -> Self {
        Self::Server(error)
    }
}

/// The class of an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorClass {
    /// It does not know the script.
    ScriptMissing,
    /// Temporarily impossible.
    TryAgain,
    /// Refused until the server is repaired or recovers, which may be soon: a replica that
    /// restarts, a disk that gets space.
    Unhealthy,
    /// Not a primary, or not at present: the address may lead to another server by now.
    NotPrimary,
    /// No.
    Refused,
}

fn class_of(code: &str) -> ErrorClass {
    match code {
        "NOSCRIPT" => ErrorClass::ScriptMissing,
        "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" => ErrorClass::TryAgain,
        "OOM" | "MISCONF" | "NOREPLICAS" => ErrorClass::Unhealthy,
        // A server that loads its data although it was connected to before has become a replica.
        "READONLY" | "MASTERDOWN" | "LOADING" => ErrorClass::NotPrimary,
        _ => ErrorClass::Refused,
    }
}

/// The code of an error. Servers before 7.0 put the place in the script in front of that of a
/// command in a script: `ERR Error running script (call to f_…): @user_script:30: @user_script: 30:
/// -READONLY You can't …`, and without the first words where the script returns the error of
/// `pcall`.
fn code(error: &RedisError) -> &str {
    let code = error.code().unwrap_or_default();
    let text = if code == "ERR" { error.detail().unwrap_or_default() } else { code };
    if !text.contains("@user_script:") {
        return code;
    }
    let in_script = error.detail().and_then(|detail| detail.rsplit_once(": -"));
    in_script.and_then(|(_, words)| words.split_whitespace().next()).unwrap_or(code)
}

/// The error of a command.
pub(crate) fn call_error(error: &RedisError) -> CommandError {
    if matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse) {
        return CommandError::ConnectionLost;
    }
    let text = error.to_string();
    match class_of(code(error)) {
        ErrorClass::ScriptMissing => CommandError::ScriptMissing,
        ErrorClass::TryAgain => CommandError::TryAgain(text),
        ErrorClass::Unhealthy => CommandError::Unhealthy(text),
        ErrorClass::NotPrimary => CommandError::NotPrimary(text),
        ErrorClass::Refused => CommandError::Refused(text),
    }
}

/// The error of an attempt to connect. If the server's text does not say what to do, a hint follows
/// after a semicolon.
pub(crate) fn connect_error(client: &Client, error: OpenError) -> ConnectError {
    let address = client.get_connection_info().addr();
    let (kind, text) = match error {
        OpenError::Slow(limit) => {
            let text = format!("{address} did not answer within {limit:?}");
            return ConnectError { text, kind: ConnectErrorKind::Unreachable };
        }
        OpenError::Unfit(kind, text) => (kind, text),
        OpenError::WithoutTls => (ConnectErrorKind::Permanent, WITHOUT_TLS.to_owned()),
        OpenError::Server(error) => explain(address, &error),
    };
    ConnectError { text: format!("{address}: {text}"), kind }
}

const WITHOUT_TLS: &str =
    "the port does not speak TLS; write redis:// for it, or name the server's TLS port";

const WITHOUT_RESP3: &str = "it does not speak RESP3 (HELLO); locks need Redis 6.2 or Valkey, and \
    no proxy such as twemproxy or Envoy before it";

fn explain(address: &ConnectionAddr, error: &RedisError) -> (ConnectErrorKind, String) {
    let text = error.to_string();
    let own = |sentence: &str| format!("{sentence} ({})", text.replace(';', ","));
    match error.kind() {
        ErrorKind::RESP3NotSupported => (ConnectErrorKind::Permanent, WITHOUT_RESP3.to_owned()),
        // A name without an address may get one.
        ErrorKind::InvalidClientConfig if text.contains("No address found") => {
            (ConnectErrorKind::Unreachable, text)
        }
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig => {
            (ConnectErrorKind::Permanent, text)
        }
        ErrorKind::Io => of_transport(address, error, text),
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let code = code(error);
            let words = text.to_lowercase();
            if code == "NOPROTO" || code == "ERR" && words.contains("hello") {
                return (ConnectErrorKind::Permanent, own(WITHOUT_RESP3));
            }
            if words.contains("max number of clients") {
                let text = format!("{text}; raise its maxclients, or close connections");
                return (ConnectErrorKind::Unreachable, text);
            }
            let kind = match class_of(code) {
                ErrorClass::NotPrimary if code == "READONLY" => ConnectErrorKind::Unsuitable,
                ErrorClass::ScriptMissing | ErrorClass::TryAgain | ErrorClass::NotPrimary => {
                    ConnectErrorKind::Unreachable
                }
                ErrorClass::Unhealthy => ConnectErrorKind::Unsuitable,
                ErrorClass::Refused => ConnectErrorKind::Permanent,
            };
            (kind, text)
        }
        _ => (ConnectErrorKind::Unreachable, text),
    }
}

/// TLS errors arrive as transport errors; only their text distinguishes them.
fn of_transport(
    address: &ConnectionAddr,
    error: &RedisError,
    text: String,
) -> (ConnectErrorKind, String) {
    let has = |word: &str| text.contains(word);
    let (what, next) = if has("invalid peer certificate") {
        of_certificate(&text)
    } else if has("received corrupt message") {
        return (ConnectErrorKind::Permanent, WITHOUT_TLS.to_owned());
    } else if has("CertificateRequired") {
        ("the server asks for a certificate of the client", "set `client_certificate`")
    } else if has("received fatal alert")
        && (has("Certificate") || has("UnknownCA") || has("DecryptError"))
    {
        (
            "the server does not accept the client's certificate",
            "set `client_certificate` to one that its authority has issued",
        )
    } else if has("received fatal alert") {
        (
            "the server broke off the TLS handshake",
            "compare the TLS versions and ciphers of both sides",
        )
    } else if matches!(address, ConnectionAddr::Tcp(..))
        && error.is_connection_dropped()
        && !error.is_connection_refusal()
    {
        let next = "check that a Redis server listens there, and write rediss:// if it expects TLS";
        return (ConnectErrorKind::Unreachable, format!("{text}; {next}"));
    } else {
        return (ConnectErrorKind::Unreachable, text);
    };
    (ConnectErrorKind::Permanent, format!("{what} ({}); {next}", text.replace(';', ",")))
}

fn of_certificate(text: &str) -> (&'static str, &'static str) {
    let has = |word: &str| text.contains(word);
    if has("UnknownIssuer") || has("CaUsedAsEndEntity") || has("BadSignature") {
        (
            "the server's certificate comes from an authority that is not trusted",
            "pass the authority's certificate to `ca_certificate`",
        )
    } else if has("not valid for") || has("NotValidForName") {
        (
            "the server's certificate is for another name",
            "connect with a host name of the certificate",
        )
    } else if has("not valid yet") || has("NotValidYet") {
        ("the server's certificate is not valid yet", "check the clock of this machine")
    } else if has("expired") || has("Expired") {
        ("the server's certificate has expired", "renew it, or check the clock of this machine")
    } else {
        ("the server's certificate is not accepted", "replace it")
    }
}

#[cfg(test)]
mod tests;
