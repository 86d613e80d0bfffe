//! One Redis server, through one multiplexed RESP3 connection for commands and notifications.

pub(crate) mod acl;
pub(crate) mod batch;
pub(crate) mod command;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod errors;
pub(crate) mod lease_steps;
pub(crate) mod server_info;
#[cfg(test)]
mod tests;
pub(crate) mod tls;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::io::tcp::socket2::TcpKeepalive;
use redis::{Client, ProtocolVersion};
use tokio::sync::mpsc::UnboundedSender;

use crate::backend::redis::connection::RedisConnection;
use crate::backend::redis::errors::connect_error;
use crate::backend::redis::lease_steps::Ladder;
use crate::backend::redis::tls::Certificates;
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
        let client = tls::prepare(client, certificates)?;
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
            connect::open(&client, number, space, ladder, name, hello, pushes)
                .await
                .map_err(|error| connect_error(&client, error))
        })
    }
}

/// The first probe after 15 s of silence; the connection counts as dead after 30 s.
fn keepalive() -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15));
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows))]
    let keepalive = keepalive.with_interval(Duration::from_secs(5)).with_retries(3);
    keepalive
}
