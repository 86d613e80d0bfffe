//! One Redis server: its address, credentials and certificates, and how a connection to it is
//! opened and prepared. TLS is by rustls.
//!
//! Opening blocks its thread, with a limit for each step.

pub(crate) mod address;
pub(crate) mod cluster;
pub(crate) mod command;
pub(crate) mod dialogue;
pub(crate) mod endpoint;
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
pub(crate) mod url;
pub(crate) mod value;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::backend::redis::address::NodeAddress;
use crate::backend::redis::command::{LeaseStore, ReplyReader};
use crate::backend::redis::dialogue::{Dialogue, Limit};
use crate::backend::redis::endpoint::Endpoint;
use crate::backend::redis::errors::{OpenError, connect_error};
use crate::backend::redis::handshake::{Handshake, NextStep};
use crate::backend::redis::pipe::RedisPipe;
use crate::backend::redis::sentinel::{SentinelWatch, Sentinels};
use crate::backend::redis::tls::Certificates;
use crate::backend::socket::{Signal, wait};
use crate::backend::{ConnectError, ConnectParams};
use crate::types::credentials::{Credentials, CredentialsProvider};
use crate::types::text::words_with_causes;
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
    endpoint: Endpoint,
    sentinels: Option<SentinelWatch>,
    certificates: Arc<Certificates>,
    credentials: Option<CredentialsProvider>,
    client_name: Option<String>,
    space: Keyspace,
    lease_store: OnceLock<Arc<LeaseStore>>,
}

impl RedisServer {
    pub(crate) fn new(
        endpoint: Endpoint,
        sentinels: Option<Sentinels>,
        client_name: Option<String>,
        certificates: Certificates,
        credentials: Option<CredentialsProvider>,
        space: Keyspace,
    ) -> Result<Self, String> {
        let endpoint = tls::encrypted(endpoint, &certificates);
        tls::check(&endpoint.address, &certificates)?;
        let certificates = Arc::new(certificates);
        let sentinels =
            sentinels.map(|sentinels| SentinelWatch::new(sentinels, &endpoint, &certificates));
        let lease_store = OnceLock::new();
        Ok(Self { endpoint, sentinels, certificates, credentials, client_name, space, lease_store })
    }

    /// Another server, with the same settings.
    pub(crate) fn at(&self, node: &NodeAddress) -> Self {
        Self {
            endpoint: self.endpoint.at(node.to_connect(&self.endpoint.address)),
            sentinels: None,
            certificates: Arc::clone(&self.certificates),
            credentials: self.credentials.clone(),
            client_name: self.client_name.clone(),
            space: self.space.clone(),
            lease_store: self.lease_store.clone(),
        }
    }

    /// With the user and the password of now.
    fn with_credentials(&self, endpoint: Endpoint) -> Result<Endpoint, OpenError> {
        let Some(provider) = &self.credentials else { return Ok(endpoint) };
        // Its error is code of users too.
        let asked = user_code::ask(|| provider().map_err(|error| words_with_causes(&*error)));
        let failed = || Err("it panicked".to_owned());
        let Credentials { user, password } =
            asked.unwrap_or_else(failed).map_err(OpenError::NoCredentials)?;
        Ok(Endpoint { user: Some(user), password: Some(password), ..endpoint })
    }

    /// Opens a connection. `stop` ends the attempt early.
    pub(crate) fn connect<T>(
        &self,
        params: &ConnectParams,
        stop: &Signal,
    ) -> Result<RedisPipe<T>, ConnectError> {
        let limit = Limit::of(GREETING);
        let endpoint = match &self.sentinels {
            None => self.endpoint.clone(),
            Some(watch) => self.endpoint.at(watch.primary(limit.until, stop)?),
        };
        let provided = self.credentials.is_some();
        let address = endpoint.address.clone();
        self.open(endpoint, params, limit, stop)
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
        endpoint: Endpoint,
        params: &ConnectParams,
        mut limit: Limit,
        stop: &Signal,
    ) -> Result<RedisPipe<T>, OpenError> {
        let new_store = || Arc::new(LeaseStore::new(&self.space, endpoint.database));
        let lease_store = Arc::clone(self.lease_store.get_or_init(new_store));
        let endpoint = self.with_credentials(endpoint)?;
        let mut dialogue = Dialogue::open(&endpoint, &self.certificates, &limit, stop)?;
        if let Some(watch) = &self.sentinels {
            watch.admit(dialogue.transport.stream(), &endpoint.address)?;
        }
        let name = self.client_name.as_deref();
        let (mut handshake, mut commands) =
            Handshake::start(&endpoint, &self.space, &lease_store, name, params);
        loop {
            let answers = dialogue.ask(&endpoint.address, &commands, &limit)?;
            limit = Limit::of(STEP);
            match handshake.answered(answers)? {
                NextStep::Send(next) => commands = next,
                NextStep::Done(ready) => {
                    let Dialogue { transport, received, heard, .. } = dialogue;
                    let host = endpoint.address.host().to_owned();
                    let reader = ReplyReader { space: self.space.clone(), host };
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
