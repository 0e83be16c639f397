//! The certificate that callers see, replaceable while the server runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The name of HTTP/2 in the handshake (RFC 9113 §3.2).
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The text of one PEM file, and the name that errors call it by.
#[derive(Clone, Copy)]
pub struct Pem<'a> {
    /// Where the text comes from.
    pub path: &'a Path,
    /// The text. Never repeated in an error.
    pub text: &'a [u8],
}

impl fmt::Debug for Pem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A certificate with its chain, and the key that belongs to it.
#[derive(Clone)]
pub struct TlsPair(Arc<CertifiedKey>);

impl TlsPair {
    /// Reads a certificate, its key, and the certificates that lead from it to the root. The
    /// chain may also follow the certificate in its own file.
    ///
    /// Keys are PKCS#8, PKCS#1 or SEC1, not encrypted; of a file with several the first counts.
    pub fn parse(
        certificate: Pem<'_>,
        key: Pem<'_>,
        chain: Option<Pem<'_>>,
    ) -> Result<Self, TlsError> {
        let mut certificates = parse_certificates(certificate)?;
        if let Some(chain) = chain {
            certificates.extend(parse_certificates(chain)?);
        }
        let private_key = PrivateKeyDer::from_pem_slice(key.text).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey { path: key.path.into() },
            // What the parser stumbled on may be a part of the key: it is not repeated.
            _ => TlsError::NotPem { path: key.path.into() },
        })?;
        let signing_key = provider()
            .key_provider
            .load_private_key(private_key)
            .map_err(|_| TlsError::UnusableKey { path: key.path.into() })?;
        let pair = CertifiedKey::new(certificates, signing_key);
        match pair.keys_match() {
            Ok(()) => Ok(Self(Arc::new(pair))),
            Err(rustls::Error::InconsistentKeys(
                InconsistentKeys::KeyMismatch | InconsistentKeys::Unknown,
            )) => Err(TlsError::Mismatch {
                certificate: certificate.path.into(),
                key: key.path.into(),
            }),
            Err(error) => Err(TlsError::BadCertificate {
                path: certificate.path.into(),
                cause: error.to_string(),
            }),
        }
    }
}

impl fmt::Debug for TlsPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsPair(…)")
    }
}

/// What a server shows in its handshakes: TLS 1.2 and 1.3, HTTP/2 or HTTP/1.1. Cheap to clone;
/// all clones show the same pair.
#[derive(Clone)]
pub struct TlsIdentity {
    shown: Arc<Shown>,
    config: Arc<ServerConfig>,
}

impl TlsIdentity {
    /// An identity that shows `pair` until another one replaces it.
    pub fn new(pair: TlsPair) -> Result<Self, TlsError> {
        let shown = Arc::new(Shown(ArcSwap::new(pair.0)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| TlsError::Unsupported { cause: error.to_string() })?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
        Ok(Self { shown, config: Arc::new(config) })
    }

    /// Shows `pair` in every handshake from now on; connections that stand are not touched.
    pub fn replace(&self, pair: TlsPair) {
        self.shown.0.store(pair.0);
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsIdentity(…)")
    }
}

/// Why a certificate and its key cannot be used. Says which file; shows nothing that is in one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The file is cut off, or no PEM at all.
    #[error("{}: not valid PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
    },
    /// No `CERTIFICATE` section.
    #[error("{}: holds no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// No section with a private key in the clear.
    #[error("{}: holds no private key that is not encrypted", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A key of a kind or size that TLS does not use here.
    #[error("{}: the private key is not RSA, ECDSA or Ed25519, or is damaged", path.display())]
    UnusableKey {
        /// The file.
        path: PathBuf,
    },
    /// What is in the section is no certificate.
    #[error("{}: the certificate cannot be read: {cause}", path.display())]
    BadCertificate { path: PathBuf, cause: String },
    /// The key is of another certificate.
    #[error("{} and {} do not belong together", certificate.display(), key.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
    /// The cryptography that was built in cannot do TLS 1.2 and 1.3.
    #[error("TLS cannot be set up: {cause}")]
    Unsupported { cause: String },
}

impl TlsError {
    /// What the operator can do about it, for the line under the error.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotPem { .. } | Self::NoCertificate { .. } | Self::BadCertificate { .. } => {
                "the file must hold the server's certificate in PEM, its own one first"
            }
            Self::NoKey { .. } | Self::UnusableKey { .. } => {
                "give the key as PEM without a passphrase (openssl pkey -in KEY -out PLAIN)"
            }
            Self::Mismatch { .. } => "give the key that the certificate was requested with",
            Self::Unsupported { .. } => "this build is broken; use a release build",
        }
    }
}

/// The pair that is shown just now.
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(…)")
    }
}

/// The one provider, named wherever one is needed: a default of the process would depend on
/// who is first.
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn parse_certificates(file: Pem<'_>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(file.text)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::NotPem { path: file.path.into() })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: file.path.into() });
    }
    Ok(certificates)
}
