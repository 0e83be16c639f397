//! rustls, configured as each `sslmode` means it in libpq.
//!
//! | sslmode | the chain | the name |
//! |---|---|---|
//! | prefer | not verified | – |
//! | require | verified if there is an `sslrootcert` | – |
//! | verify-ca | verified | – |
//! | verify-full | verified | verified |

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::ParsedCertificate;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::{Error as PemError, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::ConnectError;
use crate::target::{RootCertificates, SslMode, Target};

/// Where the systems keep the authorities they trust: Debian, Fedora, SUSE, Alpine and macOS.
const SYSTEM_BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What makes TLS streams for the target. Reads its files, so that a renewed certificate is
/// taken up by the next connection. `None`: the target wants no TLS.
pub(crate) fn connector(target: &Target) -> Result<Option<MakeRustlsConnect>, ConnectError> {
    let provider = Arc::new(ring::default_provider());
    let Some(verifier) = verifier(target, &provider)? else { return Ok(None) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::SessionSettings(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match (&target.sslcert, &target.sslkey) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let secret = PrivateKeyDer::from_pem_file(key).map_err(pem_error(key))?;
            builder.with_client_auth_cert(chain, secret).map_err(file_error(key))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn verifier(
    target: &Target,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>, ConnectError> {
    let algorithms = provider.signature_verification_algorithms;
    let loose = |roots| Arc::new(NameBlind { roots, algorithms }) as Arc<dyn ServerCertVerifier>;
    Ok(match target.sslmode {
        SslMode::Disable => None,
        SslMode::Prefer => Some(loose(None)),
        SslMode::Require => {
            Some(loose(target.sslrootcert.as_ref().map(root_store).transpose()?.map(Arc::new)))
        }
        SslMode::VerifyCa => Some(loose(Some(Arc::new(demanded_roots(target)?)))),
        SslMode::VerifyFull => {
            let roots = Arc::new(demanded_roots(target)?);
            let strict = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider));
            Some(strict.build().map_err(|error| ConnectError::SessionSettings(error.to_string()))?)
        }
    })
}

/// The roots of a mode that cannot do without. A target that was put together by hand may lack
/// them, and nothing is verified by accident.
fn demanded_roots(target: &Target) -> Result<RootCertStore, ConnectError> {
    let missing = || {
        ConnectError::SessionSettings(format!(
            "sslmode={} needs sslrootcert",
            target.sslmode.as_str()
        ))
    };
    root_store(target.sslrootcert.as_ref().ok_or_else(missing)?)
}

fn root_store(roots: &RootCertificates) -> Result<RootCertStore, ConnectError> {
    let file = match roots {
        RootCertificates::File(file) => file.clone(),
        RootCertificates::System => system_bundle()?,
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates(&file)?);
    if added == 0 {
        return Err(file_error(&file)("holds no certificate that can be used"));
    }
    Ok(store)
}

fn system_bundle() -> Result<PathBuf, ConnectError> {
    let found = SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| {
        let looked_in = SYSTEM_BUNDLES.join(", ");
        ConnectError::SessionSettings(format!("no certificates of the system found in {looked_in}"))
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain: Vec<_> = read.map_err(pem_error(path))?;
    if chain.is_empty() { Err(file_error(path)("holds no certificate")) } else { Ok(chain) }
}

fn file_error<E: ToString>(path: &Path) -> impl FnOnce(E) -> ConnectError {
    let path = path.to_owned();
    move |error| ConnectError::TlsFile { path, reason: error.to_string() }
}

/// What is wrong with a PEM file, without its text: a key may be in it.
fn pem_error(path: &Path) -> impl FnOnce(PemError) -> ConnectError {
    let path = path.to_owned();
    move |error| {
        let reason = match error {
            PemError::Io(error) => error.to_string(),
            PemError::NoItemsFound => "holds nothing of the kind".to_owned(),
            _ => "is not valid PEM".to_owned(),
        };
        ConnectError::TlsFile { path, reason }
    }
}

/// Verifies the chain if there are roots, and never the name. Signatures of the handshake are
/// always checked: the peer must hold the key of whatever it shows.
#[derive(Debug)]
struct NameBlind {
    roots: Option<Arc<RootCertStore>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for NameBlind {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                algorithms,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
