//! Where the locks are.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::{fmt, fs};

use anyhow::{Context as _, bail};
use clap::{Args, ValueHint};
use distlock::{Credentials, LockManager, LockManagerBuilder};

#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Where the locks are [default: `$REDIS_URL`, else `redis://127.0.0.1/`]. Others on this host
    /// see the option, not the variable
    #[arg(long, env = "DISTLOCK_URL", hide_env_values = true, global = true)]
    url: Option<String>,
    /// The prefix that the programs set, with which all names in Redis begin [default: `lock:`]
    #[arg(long, env = "DISTLOCK_PREFIX", hide_env_values = true, global = true)]
    prefix: Option<String>,
    /// The user of the Sentinels, if they have users of their own [default: `default`]
    #[arg(
        long,
        env = "DISTLOCK_SENTINEL_USER",
        hide_env_values = true,
        value_name = "USER",
        global = true
    )]
    sentinel_user: Option<String>,
    /// The password of the Sentinels, which is not that of the URL. Others on this host see the
    /// option, not the variable
    #[arg(
        long,
        env = "DISTLOCK_SENTINEL_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        global = true
    )]
    sentinel_password: Option<String>,
    /// The certificates to trust instead of the system's, for servers with certificates from a
    /// private authority: a file in PEM form
    #[arg(
        long,
        env = "DISTLOCK_TLS_CA",
        hide_env_values = true,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        global = true
    )]
    tls_ca: Option<OsString>,
    /// The certificate of this client, for servers that ask for one (`tls-auth-clients`): a file in
    /// PEM form
    #[arg(
        long,
        env = "DISTLOCK_TLS_CERT",
        hide_env_values = true,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        global = true
    )]
    tls_cert: Option<OsString>,
    /// The private key of that certificate, without a passphrase: a file in PEM form
    #[arg(
        long,
        env = "DISTLOCK_TLS_KEY",
        hide_env_values = true,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        global = true
    )]
    tls_key: Option<OsString>,
}

/// Certificates of the command line.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// What is trusted instead of the system's.
    pub ca: Option<PemFile>,
    /// The certificate of this client, and its key.
    pub client: Option<[PemFile; 2]>,
}

#[derive(Clone)]
pub struct PemFile {
    pub path: PathBuf,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "TLS alone needs it"))]
    pub content: Vec<u8>,
}

/// Without its content, which may be a key.
impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl PemFile {
    fn read(option: &str, path: &OsStr) -> anyhow::Result<Self> {
        let path = PathBuf::from(path);
        let content = fs::read(&path);
        let content = content
            .with_context(|| format!("the file of {option} cannot be read: {}", path.display()))?;
        Ok(Self { path, content })
    }
}

impl Connection {
    /// `label`: what others see of the holds of this process.
    pub fn open(&self, label: Option<&str>) -> anyhow::Result<LockManager> {
        let mut builder = self.builder()?;
        if let Some(label) = label {
            builder = builder.label(label);
        }
        Ok(builder.build()?)
    }

    pub fn builder(&self) -> anyhow::Result<LockManagerBuilder> {
        let builder = LockManager::builder().url(self.url()).prefix(self.prefix());
        let builder = with_certificates(builder, self.certificates()?);
        Ok(match self.sentinel_credentials() {
            Some((user, password)) => {
                builder.sentinel_credentials(Credentials::new(user, password))
            }
            None => builder,
        })
    }

    /// The user and the password of the Sentinels.
    pub fn sentinel_credentials(&self) -> Option<(&str, &str)> {
        let password = set(self.sentinel_password.as_ref())?;
        Some((set(self.sentinel_user.as_ref()).map_or("default", String::as_str), password))
    }

    /// Where the locks are.
    pub fn url(&self) -> String {
        let other = std::env::var("REDIS_URL").ok();
        let url = set(self.url.as_ref()).or_else(|| set(other.as_ref()));
        url.map_or_else(|| "redis://127.0.0.1/".to_owned(), String::clone)
    }

    /// The URL without user and password.
    pub fn place(&self) -> String {
        let url = self.url();
        let shown = url.split(['?', '#']).next().unwrap_or_default();
        match shown.split_once("://") {
            Some((scheme, rest)) => {
                let (_, hosts) = rest.rsplit_once('@').unwrap_or(("", rest));
                format!("{scheme}://{hosts}")
            }
            None => String::new(),
        }
    }

    /// What the names of the locks begin with.
    pub fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("lock:")
    }

    /// The files that are named, read.
    pub fn certificates(&self) -> anyhow::Result<Certificates> {
        let named = [&self.tls_ca, &self.tls_cert, &self.tls_key];
        let named = named.map(|path| set(path.as_ref()));
        if cfg!(not(feature = "tls")) && named.iter().any(Option::is_some) {
            bail!("TLS is not built in; install distlock-cli with its feature `tls`");
        }
        let read = |option, path: &OsString| PemFile::read(option, path);
        let ca = named[0].map(|path| read("--tls-ca", path)).transpose()?;
        let client = match (named[1], named[2]) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some([read("--tls-cert", certificate)?, read("--tls-key", key)?])
            }
            (Some(_), None) => {
                bail!("--tls-cert needs the certificate's private key; add --tls-key")
            }
            (None, Some(_)) => bail!("--tls-key needs the certificate of the key; add --tls-cert"),
        };
        Ok(Certificates { ca, client })
    }
}

/// A variable that is empty is not set.
fn set<T: AsRef<OsStr>>(value: Option<&T>) -> Option<&T> {
    value.filter(|value| !value.as_ref().is_empty())
}

#[cfg(feature = "tls")]
fn with_certificates(
    mut builder: LockManagerBuilder,
    Certificates { ca, client }: Certificates,
) -> LockManagerBuilder {
    if let Some(ca) = ca {
        builder = builder.ca_certificate(ca.content);
    }
    if let Some([certificate, key]) = client {
        builder = builder.client_certificate(certificate.content, key.content);
    }
    builder
}

#[cfg(not(feature = "tls"))]
fn with_certificates(builder: LockManagerBuilder, _: Certificates) -> LockManagerBuilder {
    builder
}
