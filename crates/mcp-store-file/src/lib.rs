//! The credential files of one server.
//!
//! [`TokenFile`] keeps API tokens, and [`UserFile`] accounts, in a YAML file that an operator owns
//! and edits by hand. Both read both layouts that exist (a list of entries, and pgEdge's map from
//! name to entry), and change nothing but the entry in question: comments, order and unknown keys
//! survive every rewrite. A change is whole and durable, or it did not happen: lock, read again, edit, read
//! back what is about to be written, temporary file, fsync, rename, fsync of the directory.
//!
//! A file that others may read or that somebody else owns is refused: whoever can write it
//! makes tokens. No error shows what a file holds, only where.
//!
//! [`TokenFile::watch`] and [`UserFile::watch`] tell the listeners of a file what others did to it.
//! While a watch runs, one reading serves all: what it read last is what the file holds, to
//! whoever asks, and stays so while the file cannot be used. A change made here is seen at once.
//!
//! The token file does not wait on the runtime: the futures of [`mcp_store::TokenStore`] do
//! blocking file work, a lock held by another process included (10 s at most). No request is on
//! that path. Accounts are changed by requests: the futures of [`UserFile`] block nobody.
//!
//! With the feature `state`, `FileAccounts` is the `AccountStore` of one server: what its operator
//! says of accounts is in the users file, and what the server notes by itself (sessions, failures,
//! locks, last logins) in an SQLite database of its own, which `mcp-admin` opens beside it.
//! `ServerHold` is what a server takes before, so that it is the only one on that database.
//!
//! ```
//! use mcp_store_file::TokenFile;
//!
//! let folder = tempfile::tempdir()?;
//! let tokens = TokenFile::open(folder.path().join("mcp-server-tokens.yaml"));
//! // Opening reads nothing; a file that is not there is an error of its own kind.
//! let missing = tokens.read().unwrap_err();
//! assert_eq!(missing.kind, mcp_store::StoreErrorKind::Missing);
//! # Ok::<(), std::io::Error>(())
//! ```

#![warn(missing_docs)]

mod access;
#[cfg(feature = "state")]
mod accounts;
mod audit;
mod credential_file;
mod document;
mod edit;
mod fault;
mod kind;
mod latest;
mod lock;
mod replace;
mod scalar;
#[cfg(feature = "state")]
mod state;
mod token_file;
mod tokens;
mod user_file;
mod users;
mod watch;
mod yaml;

#[cfg(feature = "state")]
pub use accounts::{FileAccounts, FileAccountsSettings, FileAccountsWatch};
pub use audit::{AuditFile, AuditFileSettings, AuditLines, AuditReader, AuditWriter, FileEvents};
#[cfg(feature = "state")]
pub use lock::ServerHold;
pub use mcp_store::{AuditFilter, AuditLine};
pub use token_file::TokenFile;
pub use user_file::UserFile;
pub use users::KeptUser;
pub use watch::{FileState, TokenFileState, TokenFileWatch, UserFileWatch};
