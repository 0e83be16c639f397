//! The credential files of one server.
//!
//! [`TokenFile`] keeps API tokens in a YAML file that an operator owns and edits by hand. It
//! reads both layouts that exist (a list of entries, and pgEdge's map from id to entry), and it
//! changes nothing but the entry in question: comments, order and unknown keys survive every
//! rewrite. A change is whole and durable, or it did not happen: lock, read again, edit, read
//! back what is about to be written, temporary file, fsync, rename, fsync of the directory.
//!
//! A file that others may read or that somebody else owns is refused: whoever can write it
//! makes tokens. No error shows what a file holds, only where.
//!
//! [`TokenFile::watch`] tells the listeners of a store what others did to its file.
//!
//! Stores do not wait on the runtime: the futures of [`mcp_store::TokenStore`] do blocking file
//! work, a lock held by another process included (10 s at most). No request is on that path.
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
mod document;
mod edit;
mod fault;
mod lock;
mod replace;
mod scalar;
mod token_file;
mod watch;
mod yaml;

pub use token_file::TokenFile;
pub use watch::{TokenFileState, TokenFileWatch};
