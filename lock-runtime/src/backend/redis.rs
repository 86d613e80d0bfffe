//! One Redis server: its address, credentials and certificates, and how a connection to it is
//! opened and prepared. TLS is by rustls.
//!
//! Opening blocks its thread, with a limit for each step.

pub(crate) mod address;
pub(crate) mod cluster;
pub(crate) mod command;
pub(crate) mod dialogue;
pub(crate) mod errors;
pub(crate) mod handshake;
pub(crate) mod pipe;
pub(crate) mod preflight;
pub(crate) mod resp;
pub(crate) mod sentinel;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
pub(crate) mod transport;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, ProtocolVersion};

use crate::backend::redis::address::NodeAddress;
use crate::backend::redis::command::{LeaseStore, ReplyReader};
use crate::backend::redis::dialogue::{Dialogue, Limit, keepalive};
use crate::backend::redis::errors::{OpenError, connect_error};
use crate::backend::redis::handshake::{Handshake, NextStep};
use crate::backend::redis::pipe::RedisPipe;
use crate::backend::redis::sentinel::{SentinelWatch, Sentinels};
use crate::backend::redis::tls::Certificates;
use crate::backend::socket::{Signal, wait};
use crate::backend::{ConnectError, ConnectParams};
use crate::types::credentials::{Credentials, CredentialsProvider};
use crate::types::text::words;
use crate::types::time::Timestamp;
use crate::user_code;
use crate::wire::keyspace::Keyspace;

/// The longest that the name lookup, TCP, TLS and HELLO may take together: about five round trips.
const GREETING: Duration = Duration::from_secs(3);

/// The longest that each of the round trips after HELLO may take.
const STEP: Duration = Duration::from_secs(2);

/// A server by its address and credentials.
pub(crate) struct RedisServer {
    /// Its address is not used where Sentinels name the primary.
    info: ConnectionInfo,
    sentinels: Option<SentinelWatch>,
    certificates: Arc<Certificates>,
    credentials: Option<CredentialsProvider>,
    client_name: Option<String>,
    space: Keyspace,
    lease_store: OnceLock<Arc<LeaseStore>>,
}

impl RedisServer {
    /// Notifications need RESP3, small commands need `TCP_NODELAY`, and keepalive finds a
    /// connection that the network silently dropped.
    pub(crate) fn new(
        info: ConnectionInfo,
        sentinels: Option<Sentinels>,
        client_name: Option<String>,
        certificates: Certificates,
        credentials: Option<CredentialsProvider>,
        space: Keyspace,
    ) -> Result<Self, String> {
        let info = tls::encrypted(info, &certificates);
        tls::check(info.addr(), &certificates)?;
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let mut tcp = info.tcp_settings().clone().set_nodelay(true);
        if tcp.keepalive().is_none() {
            tcp = tcp.set_keepalive(keepalive());
        }
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        let certificates = Arc::new(certificates);
        let sentinels =
            sentinels.map(|sentinels| SentinelWatch::new(sentinels, &info, &certificates));
        let lease_store = OnceLock::new();
        Ok(Self { info, sentinels, certificates, credentials, client_name, space, lease_store })
    }

    /// Another server, with the same settings.
    pub(crate) fn at(&self, node: &NodeAddress) -> Self {
        Self {
            info: self.info.clone().set_addr(node.to_connect(self.info.addr())),
            sentinels: None,
            certificates: Arc::clone(&self.certificates),
            credentials: self.credentials.clone(),
            client_name: self.client_name.clone(),
            space: self.space.clone(),
            lease_store: self.lease_store.clone(),
        }
    }

    /// With the user and the password of now.
    fn with_credentials(&self, info: ConnectionInfo) -> Result<ConnectionInfo, OpenError> {
        let Some(provider) = &self.credentials else { return Ok(info) };
        // Its error is code of users too.
        let asked = user_code::ask(|| provider().map_err(|error| words(&error.to_string())));
        let failed = || Err("it panicked".to_owned());
        let Credentials { user, password } =
            asked.unwrap_or_else(failed).map_err(OpenError::NoCredentials)?;
        let redis = info.redis_settings().clone().set_username(user).set_password(password);
        Ok(info.set_redis_settings(redis))
    }

    /// Opens a connection. `stop` ends the attempt early.
    pub(crate) fn connect<T>(
        &self,
        params: &ConnectParams,
        stop: &Signal,
    ) -> Result<RedisPipe<T>, ConnectError> {
        let limit = Limit::of(GREETING);
        let info = match &self.sentinels {
            None => Ok(self.info.clone()),
            Some(watch) => {
                watch.primary(limit.until, stop).map(|at| self.info.clone().set_addr(at))
            }
        };
        let info = info?;
        let provided = self.credentials.is_some();
        let address = info.addr().clone();
        self.open(info, params, limit, stop)
            .map_err(|error| connect_error(&address, error, provided))
    }

    /// Waits until then, or until the Sentinels name another primary.
    pub(crate) fn pause(&self, until: Timestamp, stop: &Signal) {
        match &self.sentinels {
            None => drop(wait(None, stop, Some(until))),
            Some(watch) => watch.pause(until, stop),
        }
    }

    fn open<T>(
        &self,
        info: ConnectionInfo,
        params: &ConnectParams,
        mut limit: Limit,
        stop: &Signal,
    ) -> Result<RedisPipe<T>, OpenError> {
        let database = info.redis_settings().db();
        let new_store = || Arc::new(LeaseStore::new(&self.space, database));
        let lease_store = Arc::clone(self.lease_store.get_or_init(new_store));
        let info = self.with_credentials(info)?;
        let mut dialogue = Dialogue::open(&info, &self.certificates, &limit, stop)?;
        if let Some(watch) = &self.sentinels {
            watch.admit(dialogue.transport.stream(), info.addr())?;
        }
        let name = self.client_name.as_deref();
        let (mut handshake, mut commands) =
            Handshake::start(&info, &self.space, &lease_store, name, params);
        loop {
            let answers = dialogue.ask(info.addr(), &commands, &limit)?;
            limit = Limit::of(STEP);
            match handshake.answered(answers)? {
                NextStep::Send(next) => commands = next,
                NextStep::Done(ready) => {
                    let Dialogue { transport, received, heard, .. } = dialogue;
                    let reader =
                        ReplyReader { space: self.space.clone(), host: host_of(info.addr()) };
                    let confirmation = self.sentinels.as_ref().map(SentinelWatch::confirmation);
                    let mut pipe = RedisPipe::new(
                        transport,
                        received,
                        reader,
                        params.inbox.clone(),
                        lease_store,
                        &ready,
                        confirmation,
                    );
                    pipe.begin(&ready.announcement, heard);
                    return Ok(pipe);
                }
            }
        }
    }
}

fn host_of(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
        _ => String::new(),
    }
}
