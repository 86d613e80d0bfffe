//! What the command prints.

use std::fmt::Display;
use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;

/// Writes to standard output.
pub fn print(text: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_ref()).and_then(|()| out.flush());
    written.context("the output cannot be written")
}

/// Writes an object for programs, on one line.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    print(line)
}

/// Writes to standard error, which may be closed.
pub fn complain(what: impl Display) {
    let text = as_typed(&what.to_string());
    let _ = writeln!(io::stderr(), "distlock: {text}");
}

/// Whether the reader of the output has seen enough.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What the library's errors say to programmers, and what that is on the command line.
const TYPED: [(&str, &str); 15] = [
    ("set `sentinel_credentials`", "set DISTLOCK_SENTINEL_USER and DISTLOCK_SENTINEL_PASSWORD"),
    ("pass the authority's certificate to `ca_certificate`", "name the authority's with --tls-ca"),
    ("set `client_certificate` to one that", "name one with --tls-cert and --tls-key that"),
    ("set `client_certificate`", "name one with --tls-cert and --tls-key"),
    ("certificates are set for", "--tls-ca, --tls-cert and --tls-key are not for"),
    (", or call `tls`", ""),
    ("the CA certificate has", "the file of --tls-ca has"),
    ("the client certificate has", "the file of --tls-cert has"),
    ("the client's key ", "the file of --tls-key "),
    ("pass the file's whole content", "name a file in PEM form"),
    (", or build the manager with `data_loss_grace(false)` where tests flush the server", ""),
    ("rediss:// with the feature tls-rustls", "rediss:// with TLS"),
    (
        "enable the feature: distlock = { features = [\"tls-rustls\"] }",
        "install distlock-cli with its feature `tls`",
    ),
    ("raise max_hold", "raise --max-hold"),
    ("give the lock another key or the manager another prefix", "use another key or --prefix"),
];

/// An error of the library names what a program calls.
pub fn as_typed(error: &str) -> String {
    let replace = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    TYPED.iter().fold(error.to_owned(), replace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_library_name_options_of_the_command() {
        let texts = include_str!("../../lock-runtime/snapshots/errors.txt");
        // Of programs alone, and of others.
        let allowed = [
            "build",
            "cluster",
            "sentinel",
            "url",
            "reenter = false",
            "replicas",
            "Hold::share",
            "+scan",
            "sentinel monitor",
            "unixsocket",
            "unixsocketperm",
        ];
        let is_allowed = |code: &&str| allowed.contains(code) || code.starts_with("redis-cli ");
        for line in texts.lines() {
            let typed = as_typed(line);
            let codes = typed.split('`').skip(1).step_by(2);
            let unknown: Vec<_> = codes.filter(|code| !is_allowed(code)).collect();
            assert!(unknown.is_empty(), "{unknown:?} in {typed}");
        }
        let refused = "127.0.0.1:1: the server asks for a certificate of the client \
                       (CertificateRequired); set `client_certificate`";
        assert!(as_typed(refused).ends_with("; name one with --tls-cert and --tls-key"));
    }
}
