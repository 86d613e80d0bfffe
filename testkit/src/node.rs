//! A server with a proxy before it.

use std::io;

use crate::{Builder, FaultProxy, RedisServer};

/// A server that is known to others by the port of its proxy.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) proxy: FaultProxy,
    pub(crate) server: RedisServer,
}

impl Node {
    /// Starts the server with the settings for the port of its proxy.
    pub(crate) fn start(settings: impl FnOnce(u16) -> Builder) -> io::Result<Self> {
        let proxy = FaultProxy::before(0)?;
        let server = settings(proxy.port()).start()?;
        proxy.lead_to(&server);
        Ok(Self { proxy, server })
    }
}
