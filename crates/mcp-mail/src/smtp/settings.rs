//! Which server, how protected, and as whom.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::ServerName;

use crate::address::Mailbox;
use crate::secret::Secret;

/// The server that letters are handed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name, which its certificate must bear, or its address.
    pub host: String,
    /// Its port: 587 as a rule, 465 where TLS comes first.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// The authorities that its certificate must lead to, PEM. `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// As whom to log in. `None`: not at all.
    pub login: Option<Login>,
    /// Whom letters are from.
    pub from: Mailbox,
    /// How long one step may take: to connect, the handshake, each command and its answer. Not
    /// zero.
    pub timeout: Duration,
}

/// How a connection is protected. There is no "if the server can": who stands between could
/// always say that it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS, asked for by STARTTLS (RFC 3207), before anything else is said.
    StartTls,
    /// TLS from the first byte (RFC 8314 §3.3).
    Tls,
    /// None: for a server on this machine only.
    Plain,
}

/// A user of the server. The password is sent by PLAIN or LOGIN, whichever it offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Settings {
    pub(crate) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if ServerName::try_from(self.host.as_str()).is_err() {
            return Err(SettingsError::Host(self.host.clone()));
        }
        if self.security == Security::Plain && !self.is_loopback() {
            return Err(SettingsError::PlainAndFar(self.host.clone()));
        }
        if self.timeout.is_zero() {
            return Err(SettingsError::NoTime);
        }
        // A NUL separates the two in PLAIN (RFC 4616 §2).
        let unusable = |text: &str| text.is_empty() || text.contains('\0');
        let login = self.login.as_ref();
        if login.is_some_and(|login| unusable(&login.user) || unusable(login.password.expose())) {
            return Err(SettingsError::Login);
        }
        Ok(())
    }

    fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Settings that cannot be used. `Display` holds no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Not the name of a host.
    #[error("{0:?} is not the name or the address of a host")]
    Host(String),
    /// In the clear, and not on this machine.
    #[error("{0} is not this machine: letters and passwords go there encrypted or not at all")]
    PlainAndFar(String),
    /// No time for any step.
    #[error("a timeout of zero leaves no time to send anything")]
    NoTime,
    /// The user or the password is empty, or holds a NUL.
    #[error("user and password must not be empty, nor hold a NUL")]
    Login,
    /// The file of authorities cannot be used.
    #[error("{}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("{0}")]
    Tls(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn settings(host: &str, security: Security) -> Settings {
        Settings {
            host: host.to_owned(),
            port: 25,
            security,
            ca_file: None,
            login: None,
            from: Address::parse("mcp@example.com").unwrap().into(),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn in_the_clear_it_goes_to_this_machine_only() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "::1"] {
            assert_eq!(settings(host, Security::Plain).check(), Ok(()), "{host}");
        }
        for host in ["mail.example.com", "10.0.0.1", "localhost.example.com", "0.0.0.0", "::"] {
            let refused = settings(host, Security::Plain).check();
            assert_eq!(refused, Err(SettingsError::PlainAndFar(host.into())));
            assert_eq!(settings(host, Security::StartTls).check(), Ok(()), "{host}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_shows_no_password() {
        for host in ["", "a b", "mail.example.com:587", "a\r\nb"] {
            assert!(settings(host, Security::Tls).check().is_err(), "{host:?}");
        }
        for (user, password) in [("", "x"), ("u", ""), ("u\0v", "x"), ("u", "s3\0cret")] {
            let login = Login { user: user.into(), password: Secret::new(password.into()) };
            let settings = Settings { login: Some(login), ..settings("a", Security::Tls) };
            assert_eq!(settings.check(), Err(SettingsError::Login));
            assert!(!format!("{settings:?}").contains("s3"));
        }
        let hasty = Settings { timeout: Duration::ZERO, ..settings("a", Security::Tls) };
        assert_eq!(hasty.check(), Err(SettingsError::NoTime));
    }
}
