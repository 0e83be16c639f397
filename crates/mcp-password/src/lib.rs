//! Hashing passwords on threads of their own, verifying them, and the policy for new ones.
//!
//! [`Hasher`] is the main type: it makes a [`PasswordHash`] from a password, and tells whether a
//! password is the one that a stored hash was made from. Both take a good part of a second of one
//! core on purpose; that is why they have a few low-priority threads and a fair, bounded queue to
//! themselves, and why nothing else waits for them. [`Policy`] says whether somebody may choose a
//! password at all, in rules that server, console and command line show alike.
//!
//! A password is brought into one form (NFKC) before anything else, on every path. It is never
//! cut: bcrypt takes 72 bytes, and a longer one is refused when it is set and wrong when it is
//! tried. An account that does not exist costs the same work as one that does.
//!
//! This crate keeps no password and no hash, knows no store and no limit of attempts, and never
//! shows a secret: not in `Debug`, not in an error, not in a log line.
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_identity::{Password, SystemEntropy};
//! use mcp_password::{Algorithm, Asker, Hasher, Settings, Verdict};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let hasher = Hasher::start(&Settings::new(Algorithm::ARGON2ID), Arc::new(SystemEntropy))?;
//! let asker = Asker::new("alice", "192.0.2.1".parse()?);
//! let password = Password::presented("correct horse battery staple".to_owned());
//! let stored = hasher.hash(&asker, &password).await?;
//! assert!(stored.expose().starts_with("$argon2id$v=19$m=65536,t=3,p=1$"));
//! assert_eq!(hasher.verify(&asker, &password, Some(&stored)).await?, Verdict::Right);
//! // Nobody has this name. It takes as long, and is as wrong as a wrong password.
//! assert_eq!(hasher.verify(&asker, &password, None).await?, Verdict::Wrong);
//! # Ok(())
//! # }
//! # let runtime = tokio::runtime::Builder::new_current_thread().build();
//! # runtime.unwrap().block_on(example()).unwrap();
//! ```

#![warn(missing_docs)]

mod algorithm;
mod asker;
mod hasher;
mod labour;
mod policy;
mod pool;
mod priority;
mod queue;
mod stored;
mod text;

pub use algorithm::{Algorithm, AlgorithmError};
pub use asker::Asker;
pub use hasher::{HashError, Hasher, HasherError, Settings, StartError, Verdict};
pub use policy::{Owner, PasswordRejection, Policy, Preset, PresetError, Rule};
pub use stored::{PasswordHash, PasswordHashError};
pub use text::PasswordTextRejection;
