//! A lost password, found again.
//!
//! ```text
//!   forgot ──▶ one row, for a known and an unknown address alike ──▶ the answer, after a floor
//!                 │
//!   Mailroom ◀────┘ takes the row, looks the account up, mints a link, sends the letter
//!                                                            │
//!   look, reset ◀────────────────────────────────────────────┘ the link, at most once
//!                 └──▶ password set, lock lifted, sessions ended, word of it to its owner
//! ```
//!
//! Nobody who asks waits for the mail server, and nobody learns from an answer or from its time
//! whether there is an account. A link exists in the letter alone: here it is a hash.

mod letters;
mod link;
mod locks;
mod mailroom;
mod service;

pub use self::letters::MailTexts;
pub use self::link::{MintRejection, MintedLink, mint_link};
pub use self::locks::{LockNotices, LockWords};
pub use self::mailroom::{Mailroom, MailroomParts};
pub use self::service::{
    ForgotRejection, LinkWorth, Recovery, RecoveryParts, RecoverySettings, ResetRejection,
};
