//! Whose certificates are believed: those of the system's authorities, or of a file. The name is
//! always verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{Error as PemError, PemObject as _};

use super::settings::SettingsError;

/// Where the systems keep the authorities they trust: Debian, Fedora, SUSE, Alpine and macOS.
const SYSTEM_BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS 1.2 and 1.3 with these authorities.
pub(super) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, SettingsError> {
    let file = ca_file.map_or_else(system_bundle, |file| Ok(file.to_owned()))?;
    let roots = roots(&file)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SettingsError::Tls(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn system_bundle() -> Result<PathBuf, SettingsError> {
    let found = SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| {
        let looked_in = SYSTEM_BUNDLES.join(", ");
        SettingsError::Tls(format!("no certificates of the system found in {looked_in}"))
    })
}

fn roots(file: &Path) -> Result<RootCertStore, SettingsError> {
    let unusable = |reason: String| SettingsError::CaFile { path: file.to_owned(), reason };
    // Without the text of what was found: it may be a key.
    let reason = |error: PemError| match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "holds no certificate".to_owned(),
        _ => "is not valid PEM".to_owned(),
    };
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| unusable(reason(error)))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(unusable("holds no certificate that can be used".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let missing = client_config(Some(&here.join("no-such.pem"))).unwrap_err();
        assert!(missing.to_string().contains("no-such.pem: No such file"), "{missing}");
        let other = client_config(Some(&here.join("Cargo.toml"))).unwrap_err();
        assert!(other.to_string().ends_with("holds no certificate that can be used"), "{other}");
    }
}
