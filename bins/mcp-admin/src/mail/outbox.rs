//! The outbox that is configured.

use std::time::Duration;

use mcp_config::{Config, MailOutbox, SmtpConfig};
use mcp_mail::{
    Address, DirectoryOutbox, Line, Login, Mailbox, Secret, Security, Settings, SmtpOutbox,
};

use crate::output::Fault;

/// Whom letters in a directory are from when nobody said.
const NOBODY: &str = "mcp-server@localhost";

pub(super) enum Configured {
    Smtp(SmtpOutbox),
    Directory(DirectoryOutbox),
}

impl Configured {
    /// Where a letter goes, in a few words.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Smtp(outbox) => outbox.place(),
            Self::Directory(_) => "a directory".to_owned(),
        }
    }
}

pub(super) fn configured(config: &Config) -> Result<Configured, Fault> {
    let smtp = &config.smtp;
    match &config.mail.outbox {
        MailOutbox::Smtp => {
            let settings = settings(smtp)?;
            SmtpOutbox::new(settings).map(Configured::Smtp).map_err(Fault::from_fault)
        }
        MailOutbox::Directory(path) => {
            let from = sender(smtp, smtp.from_email.as_deref().unwrap_or(NOBODY))?;
            Ok(Configured::Directory(DirectoryOutbox::new(path.clone(), from)))
        }
        MailOutbox::None => Err(Fault::refused("no letter is sent: there is no outbox")
            .hint("set smtp.host and smtp.from_email, or mail.outbox: directory:PATH")),
    }
}

fn settings(smtp: &SmtpConfig) -> Result<Settings, Fault> {
    let missing = |key: &str| Fault::refused(format!("{key} is not set"));
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

fn sender(smtp: &SmtpConfig, address: &str) -> Result<Mailbox, Fault> {
    let address = Address::parse(address)
        .map_err(|rejection| Fault::refused(format!("smtp.from_email: {rejection}")))?;
    let name = smtp.from_name.as_deref().map(Line::parse).transpose();
    let name = name.map_err(|rejection| Fault::refused(format!("smtp.from_name: {rejection}")))?;
    Ok(Mailbox { name, address })
}
