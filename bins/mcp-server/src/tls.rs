//! HTTPS: the certificate from its files, and again whenever they change.

use std::path::PathBuf;

use mcp_config::TlsConfig;
use mcp_listen::{Listener, Pem, TlsError, TlsIdentity, TlsPair};
use mcp_watch::{Reload, Settings, Watched, watch};

use crate::fault::StartFault;
use crate::tasks::{Shutdown, Tasks};

/// Gives the listener its certificate if it is to have one, and says the scheme of its URLs.
pub(crate) fn wrap(
    listener: Listener,
    config: &TlsConfig,
    tasks: &mut Tasks,
    shutdown: &Shutdown,
) -> Result<(Listener, &'static str), StartFault> {
    if !config.enabled {
        return Ok((listener, "http"));
    }
    // The configuration refuses TLS without both; a fault all the same says which.
    let (Some(certificate), Some(key)) = (&config.cert_file, &config.key_file) else {
        let hint = "name both with --cert and --key".to_owned();
        return Err(StartFault::mendable("TLS needs a certificate and its key", hint));
    };
    let mut paths = vec![certificate.clone(), key.clone()];
    paths.extend(config.chain_file.clone());
    let named = paths.clone();
    let parse = move |files: &[Vec<u8>]| parse_pair(&named, files);
    let hint = "the files hold a certificate and its own key, in PEM".to_owned();
    let (mut pair, watcher) = watch(paths, parse, Settings::default())
        .map_err(|fault| StartFault::mendable(fault, hint))?;
    let identity = TlsIdentity::new((*pair.current()).clone()).map_err(StartFault::ours)?;
    tasks.start("certificate watcher", watcher.run(shutdown.clone().requested()));
    let (replaced, stop) = (identity.clone(), shutdown.clone());
    tasks.start("certificate reload", async move {
        tokio::select! {
            () = keep(&mut pair, &replaced) => {}
            () = stop.requested() => {}
        }
    });
    Ok((listener.with_tls(identity), "https"))
}

/// Shows each new pair to new connections; a broken one changes nothing and is said.
async fn keep(pair: &mut Watched<TlsPair>, identity: &TlsIdentity) {
    while let Some(reload) = pair.changed().await {
        match reload {
            Reload::Reloaded => {
                identity.replace((*pair.current()).clone());
                tracing::info!("Reloaded the TLS certificate");
            }
            Reload::Recovered => tracing::info!("The TLS certificate is as it was again"),
            Reload::Failed(fault) => {
                tracing::error!("TLS certificate not reloaded, the old one stays: {fault}");
            }
        }
    }
}

fn parse_pair(paths: &[PathBuf], files: &[Vec<u8>]) -> Result<TlsPair, TlsError> {
    let mut pems = paths.iter().zip(files).map(|(path, text)| Pem { path, text });
    let (Some(certificate), Some(key)) = (pems.next(), pems.next()) else {
        return Err(TlsError::Unsupported { cause: "two files are needed".into() });
    };
    TlsPair::parse(certificate, key, pems.next())
}
