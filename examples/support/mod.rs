//! The server that an example takes its locks from.

use std::{env, fmt, io};

use anyhow::Context as _;
use testkit::RedisServer;

/// Names the server. The library reads it too, so child processes need nothing else.
pub const URL_VARIABLE: &str = "DISTLOCK_URL";

pub struct Server {
    url: String,
    origin: Origin,
}

enum Origin {
    Environment,
    /// Runs as long as this value lives.
    Private(RedisServer),
    NoneInstalled,
}

impl Server {
    /// The server of `DISTLOCK_URL`; without it a redis-server that is ended when this value is
    /// dropped; and where none is installed, the store inside this process.
    pub fn find() -> anyhow::Result<Self> {
        if let Some(url) = env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty()) {
            let origin = Origin::Environment;
            return Ok(Self { url, origin });
        }
        match RedisServer::start() {
            Ok(server) => Ok(Self { url: server.url(), origin: Origin::Private(server) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { url: "memory://".to_owned(), origin: Origin::NoneInstalled })
            }
            Err(error) => Err(error).context("the redis-server on the PATH does not start"),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Server {
    // The URL of the environment may hold a password: it is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Environment => write!(f, "the server of {URL_VARIABLE}"),
            Origin::Private(server) => {
                write!(f, "a private redis-server on port {}", server.port())
            }
            Origin::NoneInstalled => f.write_str(
                "memory://, inside this process, as there is no redis-server on the PATH",
            ),
        }
    }
}
