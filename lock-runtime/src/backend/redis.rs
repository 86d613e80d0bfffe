//! One Redis server, through one multiplexed RESP3 connection for commands and notifications. TLS
//! is by rustls; the `redis` crate leaves the choice of the cryptography to the application.

pub(crate) mod command;
pub(crate) mod connection;
pub(crate) mod errors;
pub(crate) mod preflight;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::io::tcp::socket2::TcpKeepalive;
use redis::{Client, ConnectionAddr, ProtocolVersion};
use tokio::sync::mpsc::UnboundedSender;

use crate::backend::redis::command::Ladder;
use crate::backend::redis::connection::RedisConnection;
use crate::backend::redis::errors::connect_error;
use crate::backend::{Boxed, ConnectError, ConnectParams, Push};
use crate::wire::keyspace::Keyspace;

/// A server by its address and credentials.
pub(crate) struct RedisEndpoint {
    client: Client,
    client_name: Option<String>,
    ladder: OnceLock<Arc<Ladder>>,
}

impl RedisEndpoint {
    /// Uses the client's address, credentials and TLS settings. Notifications need RESP3, small
    /// commands need `TCP_NODELAY`, and keepalive finds a connection that the network silently
    /// dropped.
    pub(crate) fn new(
        client: Client,
        client_name: Option<String>,
        certificates: &Certificates,
    ) -> Result<Self, String> {
        let client = prepare(client, certificates)?;
        let info = client.get_connection_info().clone();
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let mut tcp = info.tcp_settings().clone().set_nodelay(true);
        if tcp.keepalive().is_none() {
            tcp = tcp.set_keepalive(keepalive());
        }
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        let client = Client::open(info).map_err(|error| error.to_string())?;
        Ok(Self { client, client_name, ladder: OnceLock::new() })
    }

    pub(crate) fn connect(
        &self,
        number: u64,
        space: Keyspace,
        hello: ConnectParams,
        pushes: UnboundedSender<Push>,
    ) -> Boxed<Result<RedisConnection, ConnectError>> {
        let client = self.client.clone();
        let name = self.client_name.clone();
        let database = client.get_connection_info().redis_settings().db();
        let ladder = self.ladder.get_or_init(|| Arc::new(Ladder::new(&space, database)));
        let ladder = Arc::clone(ladder);
        Box::pin(async move {
            connection::open(&client, number, space, ladder, name, hello, pushes)
                .await
                .map_err(|error| connect_error(&client, error))
        })
    }
}

/// Certificates in PEM form that a manager was given.
#[derive(Default)]
pub(crate) struct Certificates {
    /// Trusted instead of the system's.
    #[cfg(feature = "tls-rustls")]
    pub(crate) ca: Option<Vec<u8>>,
    /// What the client shows to the server, and its key.
    #[cfg(feature = "tls-rustls")]
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// The first probe after 15 s of silence; the connection counts as dead after 30 s.
fn keepalive() -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15));
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows))]
    let keepalive = keepalive.with_interval(Duration::from_secs(5)).with_retries(3);
    keepalive
}

/// The client as it has to be for its address, or what is wrong with the settings.
#[cfg(feature = "tls-rustls")]
pub(crate) fn prepare(client: Client, certificates: &Certificates) -> Result<Client, String> {
    let Certificates { ca, client: own } = certificates;
    if !is_tls(&client) {
        if ca.is_some() || own.is_some() {
            return Err(
                "certificates are set for a connection without TLS; write rediss:// in the URL"
                    .to_owned(),
            );
        }
        return Ok(client);
    }
    // Fails if another crate was faster, which is as good.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    if ca.is_none() && own.is_none() {
        return Ok(client);
    }
    let blocks = [("the CA certificate", "CERTIFICATE", ca.as_ref())]
        .into_iter()
        .chain([("the client certificate", "CERTIFICATE", own.as_ref().map(|(cert, _)| cert))])
        .chain([("the client's key", "PRIVATE KEY", own.as_ref().map(|(_, key)| key))]);
    for (what, label, pem) in blocks {
        if pem.is_some_and(|pem| !has_block(pem, label)) {
            return Err(format!(
                "{what} has no PEM block `{label}`; pass the file's whole content"
            ));
        }
    }
    let certificates = redis::TlsCertificates {
        client_tls: own
            .clone()
            .map(|(client_cert, client_key)| redis::ClientTlsConfig { client_cert, client_key }),
        root_cert: ca.clone(),
    };
    let info = client.get_connection_info().clone();
    Client::build_with_tls(info, certificates)
        .map_err(|error| format!("the certificates cannot be used: {error}; pass them in PEM form"))
}

/// As above, where TLS is not built in.
#[cfg(not(feature = "tls-rustls"))]
pub(crate) fn prepare(client: Client, _: &Certificates) -> Result<Client, String> {
    if is_tls(&client) { Err(WITHOUT_TLS.to_owned()) } else { Ok(client) }
}

/// The error for a URL that needs TLS.
pub(crate) const WITHOUT_TLS: &str = "the server's URL asks for TLS, which is not built in; \
    enable the feature: distlock = { features = [\"tls-rustls\"] }";

fn is_tls(client: &Client) -> bool {
    matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. })
}

/// Whether there is a block with this label, or with one that ends in it as `RSA PRIVATE KEY` does.
#[cfg(feature = "tls-rustls")]
fn has_block(pem: &[u8], label: &str) -> bool {
    let end = format!("{label}-----");
    let text = String::from_utf8_lossy(pem);
    text.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&end))
}
