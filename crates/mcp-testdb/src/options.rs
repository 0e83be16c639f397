//! What a throwaway server may be asked for.

use std::fmt;
use std::path::PathBuf;

/// How one server differs from the plain one: socket only, no password.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Listen on TCP as well. `None`: on the Unix socket alone.
    pub tcp: Option<Tcp>,
    /// Settings as in `postgresql.conf`, such as `("log_statement", "all")`. They win over ours.
    pub settings: Vec<(String, String)>,
}

/// TCP on 127.0.0.1 and a free port. Every connection must prove the password by SCRAM-SHA-256.
#[derive(Clone)]
pub struct Tcp {
    /// The password of the superuser `postgres`.
    pub password: String,
    /// With it, TCP connections without TLS are refused.
    pub tls: Option<TlsFiles>,
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp").field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// PEM files for TLS. They are copied; the originals may have any owner and mode.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// With it, every client must show a certificate of this authority.
    pub client_ca: Option<PathBuf>,
}
