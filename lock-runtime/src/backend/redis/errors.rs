//! What an error means: for the call, for the connection it came on, and for the next attempt to connect.

use redis::{Client, ConnectionAddr, ErrorKind, RedisError};

use crate::backend::ConnectError;
use crate::backend::redis::opening::OpenError;
use crate::protocol::in_flight::CommandError;
use crate::protocol::state::ConnectErrorKind;

/// What a server says with the code of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorClass {
    /// It does not know the script.
    ScriptMissing,
    /// It cannot just now, and will be able to by itself.
    TryAgain,
    /// It refuses until it is repaired or recovers, which may be soon: a replica that restarts, a disk that gets space.
    Unhealthy,
    /// It is no primary, or not for the time being: the address may lead to another server by now.
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

/// The code of an error. Servers before 7.0 put the place in the script in front of that of a command in a script:
/// `ERR Error running script (call to f_…): @user_script:30: @user_script: 30: -READONLY You can't …`, and without
/// the first words where the script returns the error of `pcall`.
fn code(error: &RedisError) -> &str {
    let code = error.code().unwrap_or_default();
    let text = if code == "ERR" { error.detail().unwrap_or_default() } else { code };
    if !text.contains("@user_script:") {
        return code;
    }
    let in_script = error.detail().and_then(|detail| detail.rsplit_once(": -"));
    in_script.and_then(|(_, words)| words.split_whitespace().next()).unwrap_or(code)
}

/// Of a call.
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

/// Of an attempt to connect. Where the server's words do not say what to do, the text does, behind a semicolon.
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

const WITHOUT_RESP3: &str = "it does not speak RESP3 (HELLO); locks need Redis 6.2 or Valkey, and no proxy such as \
                             twemproxy or Envoy before it";

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

/// Errors of TLS arrive as those of the transport, and only their words distinguish them.
fn of_transport(
    address: &ConnectionAddr,
    error: &RedisError,
    text: String,
) -> (ConnectErrorKind, String) {
    let has = |sanitize_host: &str| text.contains(sanitize_host);
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
    let has = |sanitize_host: &str| text.contains(sanitize_host);
    if has("UnknownIssuer") || has("CaUsedAsEndEntity") || has("BadSignature") {
        (
            "the server's certificate comes from an authority that is not trusted",
            "pass the authority's certificate to `ca_certificate`",
        )
    } else if has("not valid for") || has("NotValidForName") {
        (
            "the server's certificate is for another name",
            "connect by a host name that stands in the certificate",
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
mod tests {
    use std::io;

    use redis::{ServerError, Value};

    use super::*;

    /// The error as the crate reads it from the wire.
    fn said(line: &str) -> RedisError {
        match redis::parse_redis_value(format!("-{line}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => RedisError::from(ServerError::clone(&error)),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn at(url: &str) -> Client {
        Client::open(url).expect("a URL")
    }

    #[test]
    fn each_code_of_a_server_has_one_meaning_for_a_call_and_one_for_an_attempt_to_connect() {
        use CommandError as Outcome;
        use ConnectErrorKind::{Permanent, Unreachable, Unsuitable};
        type Made = fn(String) -> CommandError;
        let rows: [(&str, Made, ConnectErrorKind); 20] = [
            ("NOSCRIPT No matching script.", |_| Outcome::ScriptMissing, Unreachable),
            ("BUSY Redis is busy running a script.", Outcome::TryAgain, Unreachable),
            ("TRYAGAIN Multiple keys request during rehashing", Outcome::TryAgain, Unreachable),
            ("CLUSTERDOWN Hash slot not served", Outcome::TryAgain, Unreachable),
            ("OOM command not allowed", Outcome::Unhealthy, Unsuitable),
            ("MISCONF Redis is configured to save RDB snapshots", Outcome::Unhealthy, Unsuitable),
            ("NOREPLICAS Not enough good replicas to write.", Outcome::Unhealthy, Unsuitable),
            (
                "READONLY You can't write against a read only replica.",
                Outcome::NotPrimary,
                Unsuitable,
            ),
            ("MASTERDOWN Link with MASTER is down", Outcome::NotPrimary, Unreachable),
            ("LOADING Redis is loading the dataset in memory", Outcome::NotPrimary, Unreachable),
            ("NOPERM this user has no permissions", Outcome::Refused, Permanent),
            ("NOAUTH Authentication required.", Outcome::Refused, Permanent),
            ("WRONGPASS invalid username-password pair", Outcome::Refused, Permanent),
            ("WRONGTYPE Operation against a key", Outcome::Refused, Permanent),
            ("MOVED 3999 127.0.0.1:6381", Outcome::Refused, Permanent),
            ("ASK 3999 127.0.0.1:6381", Outcome::Refused, Permanent),
            ("CROSSSLOT Keys in request don't hash to the same slot", Outcome::Refused, Permanent),
            ("EXECABORT Transaction discarded", Outcome::Refused, Permanent),
            ("DENIED Redis is running in protected mode", Outcome::Refused, Permanent),
            ("ERR anything", Outcome::Refused, Permanent),
        ];
        for (line, call, kind) in rows {
            let error = said(line);
            assert_eq!(call_error(&error), call(error.to_string()), "{line}");
            let connect = connect_error(&at("redis://host/"), OpenError::Server(error));
            assert_eq!(connect.kind, kind, "{line}: {}", connect.text);
        }
    }

    #[test]
    fn the_code_of_a_command_in_a_script_is_found_behind_its_place_on_servers_before_7() {
        let lines = [
            "ERR Error running script (call to f_521e): @user_script:30: @user_script: 30: -READONLY You can't",
            "@user_script: 74: -READONLY You can't write against a read only replica",
            "READONLY You can't write against a read only replica: -OOM",
        ];
        for line in lines {
            let error = said(line);
            assert_eq!(code(&error), "READONLY", "{line}");
            assert_eq!(call_error(&error), CommandError::NotPrimary(error.to_string()), "{line}");
        }
        let line = "ERR Error running script (call to f_521e): @user_script:30: @user_script: 30: Wrong number";
        assert_eq!(code(&said(line)), "ERR");
    }

    #[test]
    fn a_connection_that_breaks_leaves_open_what_was_done() {
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::TimedOut] {
            assert_eq!(call_error(&io::Error::from(kind).into()), CommandError::ConnectionLost);
        }
    }

    #[test]
    fn a_server_without_resp3_is_named_and_a_full_one_is_tried_again() {
        let connect = |line| connect_error(&at("redis://host/"), OpenError::Server(said(line)));
        let lines = [
            "ERR unknown command 'HELLO'",
            "ERR unknown command `HELLO`, with args beginning with: `3`, ",
            "NOPROTO unsupported protocol version",
            "ERR unsupported command 'hello'",
        ];
        for line in lines {
            let error = connect(line);
            assert!(error.text.contains("RESP3 (HELLO); locks need Redis 6.2"), "{}", error.text);
            assert_eq!(error.kind, ConnectErrorKind::Permanent, "{line}");
        }
        let full = connect("ERR max number of clients reached");
        assert_eq!(full.kind, ConnectErrorKind::Unreachable);
        assert!(full.text.contains("maxclients"), "{}", full.text);
    }
}
