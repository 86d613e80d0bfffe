//! How to reach a server, and what a connection to it says first.

use std::borrow::Cow;
use std::time::Duration;

use socket2::TcpKeepalive;

use crate::backend::redis::address::Address;

/// An address, and the settings of connections to it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: i64,
    pub(crate) keepalive: TcpKeepalive,
    /// `TCP_USER_TIMEOUT`, which not every system has.
    pub(crate) user_timeout: Option<Duration>,
    /// The name and the version that CLIENT SETINFO reports; `None` if it is not sent.
    pub(crate) lib_info: Option<[Cow<'static, str>; 2]>,
}

impl Endpoint {
    /// With the default settings.
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            user: None,
            password: None,
            database: 0,
            keepalive: keepalive(),
            user_timeout: None,
            lib_info: Some(library()),
        }
    }

    pub(crate) fn at(&self, address: Address) -> Self {
        Self { address, ..self.clone() }
    }

    /// The name under which the server knows the user.
    pub(crate) fn user_name(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }
}

/// The first probe after 15 s of silence; the connection counts as dead after 30 s.
fn keepalive() -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15));
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows))]
    let keepalive = keepalive.with_interval(Duration::from_secs(5)).with_retries(3);
    keepalive
}

fn library() -> [Cow<'static, str>; 2] {
    ["distlock".into(), env!("CARGO_PKG_VERSION").into()]
}

// Tests have the crate anyhow.
#[cfg(any(test, feature = "redis"))]
mod client {
    use redis::{ConnectionAddr, ConnectionInfo};

    use super::{Endpoint, library};
    use crate::backend::redis::address::Address;

    impl Endpoint {
        /// That of a client of the crate `redis`, whose settings of TCP count too. An error for
        /// certificates, which such a client does not show.
        pub(crate) fn of_client(info: &ConnectionInfo) -> Result<Self, String> {
            let address = match info.addr().clone() {
                ConnectionAddr::Tcp(host, port) => Address::Tcp { host, port },
                ConnectionAddr::TcpTls { tls_params: Some(_), .. } => {
                    return Err("the client keeps its certificates to itself; make it without \
                                them, and pass them to `ca_certificate` and \
                                `client_certificate` of the builder"
                        .to_owned());
                }
                ConnectionAddr::TcpTls { host, port, insecure, .. } => {
                    Address::Tls { host, port, insecure }
                }
                ConnectionAddr::Unix(path) => Address::Unix(path),
                _ => return Err("the client has an address of an unknown kind; set a URL".into()),
            };
            let (settings, tcp) = (info.redis_settings(), info.tcp_settings());
            let mut endpoint = Self::new(address);
            endpoint.user = settings.username().map(str::to_owned);
            endpoint.password = settings.password().map(str::to_owned);
            endpoint.database = settings.db();
            if let Some(keepalive) = tcp.keepalive() {
                endpoint.keepalive = keepalive.clone();
            }
            #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
            {
                endpoint.user_timeout = tcp.user_timeout();
            }
            let [name, version] = library();
            let name = settings.lib_name().map_or(name, |name| name.to_owned().into());
            let version = settings.lib_ver().map_or(version, |version| version.to_owned().into());
            endpoint.lib_info = (!settings.skip_set_lib_name()).then_some([name, version]);
            Ok(endpoint)
        }
    }
}

#[cfg(test)]
mod tests;
