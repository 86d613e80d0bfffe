//! The Redis server of an example: that of `DISTLOCK_URL` or `REDIS_URL`, or a private one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fmt, fs, io, process, thread};

use anyhow::{Context as _, bail};

/// The library reads this variable too, so child processes need no other configuration.
pub const URL_VARIABLE: &str = "DISTLOCK_URL";

const START_LIMIT: Duration = Duration::from_secs(10);

pub struct Server {
    url: String,
    origin: Origin,
}

enum Origin {
    Environment(&'static str),
    Private(PrivateServer),
    NotInstalled,
}

impl Server {
    /// Uses the server of the environment. Otherwise starts a private `redis-server`, which is
    /// killed when this value is dropped. If none is installed, uses the in-memory server.
    pub fn find() -> anyhow::Result<Self> {
        for variable in [URL_VARIABLE, "REDIS_URL"] {
            if let Some(url) = env::var(variable).ok().filter(|url| !url.is_empty()) {
                return Ok(Self { url, origin: Origin::Environment(variable) });
            }
        }
        Ok(match PrivateServer::start()? {
            Some(server) => Self { url: server.url(), origin: Origin::Private(server) },
            None => Self { url: "memory://".to_owned(), origin: Origin::NotInstalled },
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether dropping this value stops the server.
    #[allow(dead_code, reason = "most examples do not stop it")]
    pub fn is_private(&self) -> bool {
        matches!(self.origin, Origin::Private(_))
    }
}

impl fmt::Display for Server {
    // A URL from the environment may contain a password, so it is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Environment(variable) => write!(f, "the server of {variable}"),
            Origin::Private(server) => write!(f, "a private redis-server on port {}", server.port),
            Origin::NotInstalled => f.write_str("memory://, because no redis-server is installed"),
        }
    }
}

struct PrivateServer {
    port: u16,
    process: Child,
    folder: PathBuf,
}

impl PrivateServer {
    /// `None` if there is no `redis-server` on the `PATH`.
    fn start() -> anyhow::Result<Option<Self>> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let folder = env::temp_dir().join(format!("distlock-example-{}", process::id()));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--port").arg(port.to_string()).arg("--dir").arg(&folder);
        match command.stdout(Stdio::null()).spawn() {
            Ok(process) => {
                let mut server = Self { port, process, folder };
                server.wait_until_ready()?;
                Ok(Some(server))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::remove_dir(folder)?;
                Ok(None)
            }
            Err(error) => Err(error).context("redis-server could not be started"),
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("redis-server ended with {status}");
            }
            if start.elapsed() > START_LIMIT {
                bail!("redis-server does not accept connections");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // Nothing can be done about an error here; the server may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
