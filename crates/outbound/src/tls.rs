//! Which certificates are trusted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::TlsConnector;

pub(crate) const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Why a client could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    #[error("cannot read the CA file {path}: {reason}")]
    CaFile { path: PathBuf, reason: String },
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// `None` when there is nobody to trust: plain HTTP works without, and an https connection then says what is missing.
pub(crate) fn connector(system_roots: bool, extra_ca: Option<&Path>) -> Result<Option<TlsConnector>, BuildError> {
    let mut roots = RootCertStore::empty();
    if system_roots {
        add_system_roots(&mut roots);
    }
    if let Some(path) = extra_ca {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Ok(None);
    }
    // The provider is named here because a process-wide default would depend on who installs one first.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

fn add_system_roots(roots: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "part of the system's certificate store is unreadable");
    }
    let (added, _unusable) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!("the system has no certificate store");
    }
}

/// A file the operator named must be right: one that is unreadable, empty or broken stops the start.
fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), BuildError> {
    let wrong = |reason: String| BuildError::CaFile { path: path.to_owned(), reason };
    let mut count = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(wrong("it holds no certificate".to_owned())) } else { Ok(()) }
}

/// The longest text about a failed handshake that is passed on: certificates are the peer's to write.
const LONGEST_REASON: usize = 200;

/// What a failed handshake is called. Names of certificates are public; addresses never occur in these texts.
pub(crate) fn describe(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(error) => error.to_string().chars().take(LONGEST_REASON).collect(),
        None => "the connection broke during the handshake".to_owned(),
    }
}
