//! The outbox that is configured.

use std::sync::Arc;
use std::time::Duration;

use mcp_config::{Config, MailOutbox, SmtpConfig};
use mcp_mail::{
    Address, DirectoryOutbox, Line, Login, Mailbox, Outbox, Secret, Security, Settings, SmtpOutbox,
};

use crate::fault::StartFault;

/// Whom letters in a directory are from when nobody said.
const NOBODY: &str = "mcp-server@localhost";

/// `None`: no letter is sent.
pub(crate) fn open(config: &Config) -> Result<Option<Arc<dyn Outbox>>, StartFault> {
    let smtp = &config.smtp;
    match &config.mail.outbox {
        MailOutbox::Smtp => {
            let outbox = SmtpOutbox::new(settings(smtp)?);
            let outbox = outbox.map_err(|fault| StartFault::mendable(fault, None))?;
            tracing::info!("Letters go to {}", outbox.place());
            Ok(Some(Arc::new(outbox)))
        }
        MailOutbox::Directory(path) => {
            let from = sender(smtp, smtp.from_email.as_deref().unwrap_or(NOBODY))?;
            let place = path.display();
            tracing::warn!("Letters go into {place}: whoever reads it can use the links in them");
            Ok(Some(Arc::new(DirectoryOutbox::new(path.clone(), from))))
        }
        MailOutbox::None => Ok(None),
    }
}

fn settings(smtp: &SmtpConfig) -> Result<Settings, StartFault> {
    let missing = |key: &str| StartFault::mendable(format!("{key} is not set"), None);
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

fn sender(smtp: &SmtpConfig, address: &str) -> Result<Mailbox, StartFault> {
    let address = Address::parse(address).map_err(|fault| refused("smtp.from_email", fault))?;
    let name = smtp.from_name.as_deref().map(Line::parse).transpose();
    let name = name.map_err(|fault| refused("smtp.from_name", fault))?;
    Ok(Mailbox { name, address })
}

/// A value that only its reader could tell was none.
pub(crate) fn refused(key: &str, fault: impl std::fmt::Display) -> StartFault {
    StartFault::mendable(format!("{key}: {fault}"), None)
}
