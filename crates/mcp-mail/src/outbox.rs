//! Where letters are put to be carried away.

use std::pin::Pin;

use crate::error::SendError;
use crate::letter::{Letter, Postmark};

/// Carries letters away. One call is one attempt: whoever calls decides whether to try again.
pub trait Outbox: Send + Sync {
    /// Sends a letter. Done: it is now somebody else's to deliver.
    ///
    /// # Errors
    /// It was not taken; [`SendError::is_permanent`] says whether it ever will be. An attempt
    /// that was cut off at its end may have been taken all the same.
    fn send<'a>(&'a self, letter: &'a Letter, postmark: &'a Postmark) -> Sending<'a>;
}

/// A letter on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;
