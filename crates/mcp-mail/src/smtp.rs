//! Letters by SMTP (RFC 5321), handed to one server that was configured.

mod attempt;
mod dial;
mod reply;
mod settings;
mod trust;
mod wire;
mod words;

use std::sync::Arc;

use rustls::ClientConfig;

pub use self::settings::{Login, Security, Settings, SettingsError};
use crate::compose::compose;
use crate::error::{Fault, SendError, Step};
use crate::letter::{Letter, Postmark};
use crate::outbox::{Outbox, Sending};

/// Hands letters to a mail server: one connection for each, encrypted as the settings say or
/// not made at all.
///
/// No step takes longer than the timeout, and no server more memory than a fixed amount: one
/// that is silent, slow or endless costs a bounded wait.
#[derive(Clone, Debug)]
pub struct SmtpOutbox {
    settings: Settings,
    /// How TLS is done; `None` in the clear.
    tls: Option<Arc<ClientConfig>>,
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Which.
    pub step: Step,
    /// What there is to say of it, on one line; may be the server's words.
    pub detail: String,
}

impl SmtpOutbox {
    /// An outbox with these settings. Reads the certificates that are trusted; connects nowhere.
    ///
    /// # Errors
    /// A setting cannot be used; nothing is encrypted less than it was asked to be.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let tls = match settings.security {
            Security::Plain => None,
            Security::StartTls | Security::Tls => {
                Some(trust::client_config(settings.ca_file.as_deref())?)
            }
        };
        Ok(Self { settings, tls })
    }

    /// The server, as `host:port`.
    #[must_use]
    pub fn place(&self) -> String {
        self.settings.place()
    }

    /// As [`Outbox::send`], and tells each step once it is taken: for an operator who watches.
    ///
    /// # Errors
    /// As there.
    pub async fn send_telling(
        &self,
        letter: &Letter,
        postmark: &Postmark,
        tell: &mut (dyn FnMut(Done) + Send),
    ) -> Result<(), SendError> {
        let bytes = compose(letter, &self.settings.from, postmark)
            .map_err(|_| SendError::new(&self.place(), Step::Compose, Fault::Unfit))?;
        attempt::Attempt::new(&self.settings, self.tls.as_ref(), letter, tell).run(&bytes).await
    }
}

impl Outbox for SmtpOutbox {
    fn send<'a>(&'a self, letter: &'a Letter, postmark: &'a Postmark) -> Sending<'a> {
        Box::pin(async move { self.send_telling(letter, postmark, &mut |_| {}).await })
    }
}
