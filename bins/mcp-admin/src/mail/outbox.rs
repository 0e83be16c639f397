//! The outbox that is configured.

use mcp_config::{Config, Letters};
use mcp_mail::{DirectoryOutbox, SmtpOutbox};

use crate::output::Fault;

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
    match config.letters().map_err(Fault::from_fault)? {
        Some(Letters::Smtp(settings)) => {
            SmtpOutbox::new(settings).map(Configured::Smtp).map_err(Fault::from_fault)
        }
        Some(Letters::Directory { path, from }) => {
            Ok(Configured::Directory(DirectoryOutbox::new(path, from)))
        }
        None => Err(Fault::refused("no letter is sent: there is no outbox")
            .hint("set smtp.host and smtp.from_email, or mail.outbox: directory:PATH")),
    }
}
