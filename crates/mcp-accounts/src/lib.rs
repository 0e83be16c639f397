//! What people do with their accounts, and admins with those of others.
//!
//! [`AccountService`] is the main type. Each of its methods is one use case with an error of its
//! own: somebody logs in, registers, changes a password, looks at sessions and ends them, and at what
//! happened; an admin lists, makes, changes, unlocks and deletes accounts. Whatever is changed is in force in this
//! process when the method returns, and stands in the audit log.
//!
//! [`Recovery`] finds lost passwords again: somebody asks for a letter, follows the link in it and
//! sets a password. [`Mailroom`] is its other half: it mints the links and sends the letters,
//! whenever the mail server takes them.
//!
//! No HTTP here, no file and no SQL: accounts lie in an [`AccountStore`], and every password and
//! every credential is judged by [`Auth`]. Whoever calls says for whom: an edge has asked for the
//! credential before, and hands on what [`Requester`] holds.
//!
//! [`AccountStore`]: mcp_store::AccountStore
//! [`Auth`]: mcp_auth::Auth

mod admin;
mod contact;
mod cursor;
mod events;
mod guard;
mod login;
mod new_password;
mod own;
mod person;
mod record;
mod recovery;
mod register;
mod service;
mod sessions;
mod wanted;

pub use admin::{
    AccountEdit, DeleteRejection, FindRejection, ListRejection, NewAccount, Page, UpdateRejection,
};
pub use events::{EventInfo, Span};
pub use guard::Guard;
pub use login::LoggedIn;
pub use new_password::NewPasswordRejection;
pub use own::ChangeRejection;
pub use person::{LockState, Person, SessionInfo};
pub use recovery::{
    ForgotRejection, LinkWorth, LockNotices, LockWords, MailTexts, Mailroom, MailroomParts,
    MintRejection, MintedLink, Recovery, RecoveryParts, RecoverySettings, ResetRejection,
    mint_link,
};
pub use register::{RegisterRejection, Registration};
pub use service::{AccountService, Parts, Requester, Settings};
pub use wanted::CreateRejection;
