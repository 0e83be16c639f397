//! The outbox that is configured.

use std::sync::Arc;

use mcp_config::{Config, Letters};
use mcp_mail::{DirectoryOutbox, Outbox, SmtpOutbox};

use crate::fault::StartFault;

/// `None`: no letter is sent.
pub(crate) fn open(config: &Config) -> Result<Option<Arc<dyn Outbox>>, StartFault> {
    match config.letters().map_err(|fault| StartFault::mendable(fault, None))? {
        Some(Letters::Smtp(settings)) => {
            let outbox = SmtpOutbox::new(settings);
            let outbox = outbox.map_err(|fault| StartFault::mendable(fault, None))?;
            tracing::info!("Letters go to {}", outbox.place());
            Ok(Some(Arc::new(outbox)))
        }
        Some(Letters::Directory { path, from }) => {
            let place = path.display();
            tracing::warn!("Letters go into {place}: whoever reads it can use the links in them");
            Ok(Some(Arc::new(DirectoryOutbox::new(path, from))))
        }
        None => Ok(None),
    }
}

/// A value that only its reader could tell was none.
pub(crate) fn refused(key: &str, fault: impl std::fmt::Display) -> StartFault {
    StartFault::mendable(format!("{key}: {fault}"), None)
}
