//! One letter sent: by SMTP, into a directory, or into memory.
//!
//! A [`Letter`] goes to one [`Address`] and is made of checked parts only: no text that reaches
//! this crate adds a header, a recipient, or a command. An [`Outbox`] carries it away:
//! [`SmtpOutbox`] (feature `smtp`) to a mail server, encrypted or not at all;
//! [`DirectoryOutbox`] into files; [`CaptureOutbox`] into the memory of a test.
//!
//! One call is one attempt, bounded in time at every step. A [`SendError`] tells what failed and
//! whether trying again is of use; queueing, waiting and trying again are the caller's. The crate
//! knows no accounts and none of the letters' words, reads no environment, spawns no task that it
//! does not wait for, and logs nothing. Time and random bytes come in with the [`Postmark`].
//!
//! ```
//! use std::time::SystemTime;
//!
//! use mcp_mail::{Address, CaptureOutbox, Letter, Line, Outbox, Postmark};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let to = Address::parse("ann@bücher.example")?;
//! let letter = Letter::new(to, Line::parse("Reset your password")?, "Follow this link: …")?;
//! let outbox = CaptureOutbox::default();
//! let postmark = Postmark { at: SystemTime::UNIX_EPOCH, id: [7; 16] };
//! outbox.send(&letter, &postmark).await?;
//! assert_eq!(outbox.take()[0].0.to().to_string(), "ann@xn--bcher-kva.example");
//!
//! assert!(Line::parse("Reset\r\nBcc: eve@example.com").is_err());
//! # Ok(())
//! # }
//! ```

mod address;
mod capture;
mod compose;
mod directory;
mod error;
mod letter;
mod outbox;
#[cfg(feature = "smtp")]
mod secret;
#[cfg(feature = "smtp")]
mod smtp;
mod text;

pub use address::{Address, AddressRejection, Mailbox};
pub use capture::CaptureOutbox;
pub use directory::DirectoryOutbox;
pub use error::{Fault, SendError, Step};
pub use letter::{Letter, Postmark};
pub use outbox::{Outbox, Sending};
#[cfg(feature = "smtp")]
pub use secret::Secret;
#[cfg(feature = "smtp")]
pub use smtp::{Done, Login, Security, Settings, SettingsError, SmtpOutbox};
pub use text::{Line, TextRejection};
