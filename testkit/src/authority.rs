//! A private certificate authority, and servers with certificates from it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::{Builder, RedisServer, ReservedPort};

/// A certificate authority that no system trusts, with a directory for what it has issued.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

/// A certificate with its private key, both as PEM.
#[derive(Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// Creates an authority with a name of its own.
    ///
    /// # Panics
    ///
    /// If the directory cannot be created.
    #[must_use]
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::new()).expect("no name is a valid list");
        let name = format!("authority {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be generated");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate is signed");
        Self { issuer, dir: tempfile::tempdir().expect("a directory can be created") }
    }

    /// The certificate of the authority, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The parameters of a certificate for these host names and addresses.
    ///
    /// # Panics
    ///
    /// If one of them is neither.
    #[must_use]
    pub fn names(names: &[&str]) -> CertificateParams {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        CertificateParams::new(names).expect("they are names")
    }

    /// Those of a server on this host.
    #[must_use]
    pub fn here() -> CertificateParams {
        Self::names(&["127.0.0.1", "localhost"])
    }

    /// Issues a certificate with these parameters and a new key.
    ///
    /// # Panics
    ///
    /// If the parameters contradict each other.
    #[must_use]
    pub fn issue(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().expect("a key can be generated");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate is signed");
        Issued { certificate: signed.pem(), key: key.serialize_pem() }
    }

    /// Writes a file into the directory of the authority, which is removed with it.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).expect("a file can be written");
        path
    }

    /// Starts a server with such a certificate and the value of `tls-auth-clients`. Returns its
    /// port for TLS too.
    ///
    /// # Panics
    ///
    /// If the server cannot be started.
    #[must_use]
    pub fn start(
        &self,
        builder: Builder,
        params: &CertificateParams,
        clients: &str,
    ) -> (RedisServer, ReservedPort) {
        let port = ReservedPort::for_server().expect("a port is free");
        let builder = self.set_up(builder, &self.issue(params), &port, clients);
        (builder.start().expect("the server starts"), port)
    }

    /// The settings of a server with this certificate and this port for TLS.
    ///
    /// # Panics
    ///
    /// If the files cannot be written.
    #[must_use]
    pub fn set_up(
        &self,
        builder: Builder,
        issued: &Issued,
        port: &ReservedPort,
        clients: &str,
    ) -> Builder {
        let number = port.number().to_string();
        let path = |name: &str, content: &str| {
            let path = self.file(&format!("{number}-{name}"), content);
            path.to_str().expect("a path of ours is text").to_owned()
        };
        builder
            .arg("tls-cert-file", path("server.pem", &issued.certificate))
            .arg("tls-key-file", path("server-key.pem", &issued.key))
            .arg("tls-ca-cert-file", path("ca.pem", &self.pem()))
            .arg("tls-auth-clients", clients)
            .arg("tls-port", &number)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
