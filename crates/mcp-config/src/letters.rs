//! Where letters go, in the words of the crate that carries them: one translation of the sections
//! `mail` and `smtp` for every program that sends.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use mcp_mail::{Address, Line, Login, Mailbox, Secret, Security, Settings};

use crate::section::Config;
use crate::section::mail::MailOutbox;
use crate::section::smtp::SmtpConfig;

/// Whom letters in a directory are from when nobody said.
const NOBODY: &str = "mcp-server@localhost";

/// Where letters go.
#[derive(Clone, Debug)]
pub enum Letters {
    /// To a mail server.
    Smtp(Settings),
    /// Into files.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Whom they are from.
        from: Mailbox,
    },
}

/// A value about mail that only its reader could tell was none. The message names its key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LettersError(String);

impl Config {
    /// Where letters go; `None`: no letter is sent.
    pub fn letters(&self) -> Result<Option<Letters>, LettersError> {
        let smtp = &self.smtp;
        Ok(match &self.mail.outbox {
            MailOutbox::Smtp => Some(Letters::Smtp(settings(smtp)?)),
            MailOutbox::Directory(path) => {
                let from = sender(smtp, smtp.from_email.as_deref().unwrap_or(NOBODY))?;
                Some(Letters::Directory { path: path.clone(), from })
            }
            MailOutbox::None => None,
        })
    }
}

fn settings(smtp: &SmtpConfig) -> Result<Settings, LettersError> {
    let missing = |key: &str| LettersError(format!("{key} is not set"));
    let from = smtp.from_email.as_deref().ok_or_else(|| missing("smtp.from_email"))?;
    let login = smtp.user.as_ref().zip(smtp.password.as_ref()).map(|(user, password)| Login {
        user: user.clone(),
        password: Secret::new(password.expose().to_owned()),
    });
    Ok(Settings {
        host: smtp.host.clone().ok_or_else(|| missing("smtp.host"))?,
        port: smtp.port,
        security: security(smtp),
        ca_file: smtp.ca_file.clone(),
        login,
        from: sender(smtp, from)?,
        timeout: Duration::from_secs(smtp.timeout_seconds.into()),
    })
}

fn security(smtp: &SmtpConfig) -> Security {
    match (smtp.tls, smtp.starttls) {
        (true, _) => Security::Tls,
        (false, true) => Security::StartTls,
        (false, false) => Security::Plain,
    }
}

fn sender(smtp: &SmtpConfig, address: &str) -> Result<Mailbox, LettersError> {
    let address = Address::parse(address).map_err(|fault| refused("smtp.from_email", fault))?;
    let name = smtp.from_name.as_deref().map(Line::parse).transpose();
    let name = name.map_err(|fault| refused("smtp.from_name", fault))?;
    Ok(Mailbox { name, address })
}

fn refused(key: &str, fault: impl Display) -> LettersError {
    LettersError(format!("{key}: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Sources, load};

    fn config(settings: &[(&'static str, &str)]) -> Config {
        let flags = settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        load(&Sources { flags, beside: "/usr/bin".into(), ..Sources::default() }).unwrap().config
    }

    #[test]
    fn letters_go_where_the_configuration_says() {
        assert!(config(&[]).letters().unwrap().is_none());
        let directory = config(&[("mail.outbox", "directory:/var/letters")]).letters().unwrap();
        let Some(Letters::Directory { path, from }) = directory else { panic!("{directory:?}") };
        assert_eq!((path, from.address.to_string()), ("/var/letters".into(), NOBODY.to_owned()));
    }

    #[test]
    fn a_mail_server_is_asked_for_tls_unless_it_is_told_otherwise() {
        let host = [("smtp.host", "localhost"), ("smtp.from_email", "mcp@example.com")];
        for (more, security, port) in [
            (&[][..], Security::StartTls, 587),
            (&[("smtp.tls", "true")], Security::Tls, 465),
            (&[("smtp.starttls", "false")], Security::Plain, 587),
        ] {
            let letters = config(&[&host[..], more].concat()).letters().unwrap();
            let Some(Letters::Smtp(settings)) = letters else { panic!("{letters:?}") };
            assert_eq!(settings.security, security);
            assert_eq!((settings.host.as_str(), settings.port), ("localhost", port));
        }
    }

    #[test]
    fn a_sender_that_is_none_is_told_by_its_key() {
        let server = [("smtp.host", "localhost"), ("smtp.from_email", "mcp@example.com")];
        let name = ("smtp.from_name", "MCP \u{202e}eve");
        let fault = config(&[&server[..], &[name]].concat()).letters().unwrap_err().to_string();
        assert!(fault.starts_with("smtp.from_name: ") && !fault.contains("eve"), "{fault}");
    }
}
