//! TLS by rustls: whose certificates count.

use crate::backend::redis::address::Address;
use crate::backend::redis::endpoint::Endpoint;

#[cfg(feature = "tls-rustls")]
pub(crate) use self::rustls_session::{check, start};

/// Certificates in PEM form that a manager was given.
#[derive(Default)]
pub(crate) struct Certificates {
    /// TLS is used, also if the address does not say so.
    pub(crate) wanted: bool,
    /// Trusted instead of the system's.
    #[cfg(feature = "tls-rustls")]
    pub(crate) ca: Option<Vec<u8>>,
    /// What the client shows to the server, and its key.
    #[cfg(feature = "tls-rustls")]
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// The same connection, with TLS if it is wanted and possible.
pub(crate) fn encrypted(endpoint: Endpoint, certificates: &Certificates) -> Endpoint {
    match endpoint.address {
        Address::Tcp { host, port } if certificates.wanted => {
            Endpoint { address: Address::Tls { host, port, insecure: false }, ..endpoint }
        }
        _ => endpoint,
    }
}

/// The error for a URL that needs TLS.
#[cfg(not(feature = "tls-rustls"))]
const WITHOUT_TLS: &str = "the server's URL asks for TLS, which is not built in; \
    enable the feature: distlock = { features = [\"tls-rustls\"] }";

/// What is wrong with the settings for this address.
#[cfg(not(feature = "tls-rustls"))]
pub(crate) fn check(address: &Address, _: &Certificates) -> Result<(), String> {
    match address {
        Address::Tls { .. } => Err(WITHOUT_TLS.to_owned()),
        _ => Ok(()),
    }
}

#[cfg(feature = "tls-rustls")]
mod rustls_session {
    use std::sync::Arc;

    use rustls::crypto::CryptoProvider;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::Certificates;
    use crate::backend::redis::address::Address;
    use crate::backend::redis::errors::OpenError;
    use crate::protocol::connection::ConnectErrorKind;

    /// What is wrong with the settings for this address.
    pub(crate) fn check(address: &Address, certificates: &Certificates) -> Result<(), String> {
        let Certificates { ca, client, .. } = certificates;
        let Address::Tls { insecure, .. } = address else {
            if ca.is_some() || client.is_some() {
                return Err(
                    "certificates are set for a connection without TLS; write rediss:// in \
                            the URL, or call `tls`"
                        .to_owned(),
                );
            }
            return Ok(());
        };
        if *insecure {
            return Err(
                "a connection that trusts every server protects nothing; remove #insecure \
                    from the URL and pass the authority's certificate to `ca_certificate`"
                    .to_owned(),
            );
        }
        if client.as_ref().is_some_and(|(_, key)| has_block(key, "ENCRYPTED PRIVATE KEY")) {
            let text = "the client's key is encrypted; write it without a passphrase, as `openssl \
                pkey` does";
            return Err(text.to_owned());
        }
        let blocks = [("the CA certificate", "CERTIFICATE", ca.as_ref())]
            .into_iter()
            .chain([("the client certificate", "CERTIFICATE", client.as_ref().map(|(pem, _)| pem))])
            .chain([("the client's key", "PRIVATE KEY", client.as_ref().map(|(_, key)| key))]);
        for (what, label, pem) in blocks {
            if pem.is_some_and(|pem| !has_block(pem, label)) {
                return Err(format!(
                    "{what} has no PEM block `{label}`; pass the file's whole content"
                ));
            }
        }
        if ca.is_some() || client.is_some() {
            config(certificates).map_err(|error| {
                format!("the certificates cannot be used: {error}; pass them in PEM form")
            })?;
        }
        Ok(())
    }

    /// The client's side of a new session.
    pub(crate) fn start(
        host: &str,
        certificates: &Certificates,
    ) -> Result<ClientConnection, OpenError> {
        let refused = |text: String| -> OpenError {
            let text = format!("TLS cannot be used: {text}");
            OpenError::Unfit(ConnectErrorKind::Permanent, text)
        };
        let config = config(certificates).map_err(refused)?;
        let name =
            ServerName::try_from(host.to_owned()).map_err(|error| refused(error.to_string()))?;
        ClientConnection::new(Arc::new(config), name).map_err(|error| refused(error.to_string()))
    }

    fn config(certificates: &Certificates) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        if let Some(pem) = &certificates.ca {
            for certificate in chain(pem)? {
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        } else {
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            if let Some(error) = system.errors.first().filter(|_| roots.is_empty()) {
                return Err(error.to_string());
            }
        }
        let installed = CryptoProvider::get_default().map(Arc::clone);
        let provider =
            installed.unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        match &certificates.client {
            None => Ok(builder.with_no_client_auth()),
            Some((pem, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| error.to_string())?;
                builder.with_client_auth_cert(chain(pem)?, key).map_err(|error| error.to_string())
            }
        }
    }

    fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| error.to_string())?;
        if chain.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(chain) }
    }

    /// Whether there is a block with this label, or with one that ends in it as `RSA PRIVATE KEY`
    /// does.
    fn has_block(pem: &[u8], label: &str) -> bool {
        let end = format!("{label}-----");
        let text = String::from_utf8_lossy(pem);
        text.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&end))
    }
}
