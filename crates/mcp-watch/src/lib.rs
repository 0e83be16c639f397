//! A file that changed, settled and parsed; the last good one stays.
//!
//! [`watch`] reads the files once and gives two values: [`Watched`], the handle that everybody
//! holds, and [`Watcher`], the loop that its owner runs. A reload replaces the whole snapshot or
//! changes nothing and says so. Several files (a certificate and its key) are parsed together, so
//! that they are replaced as one.
//!
//! Directories are watched, never files: editors that delete and recreate, `mv` over the file,
//! writing in place, and the Kubernetes `..data` swap all arrive. A poll covers what the events
//! miss. When a change is read is decided by a state machine of its own, which is told the time.
//!
//! This crate knows no format: the parser is an argument. It never writes, never logs what is
//! in a file, and starts nothing.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use mcp_watch::{Settings, watch};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("greeting.txt");
//! std::fs::write(&path, "hello")?;
//! let parse = |files: &[Vec<u8>]| Ok::<_, Infallible>(String::from_utf8_lossy(&files[0]).into_owned());
//! let (greeting, watcher) = watch(vec![path], parse, Settings::default())?;
//! assert_eq!(*greeting.current(), "hello");
//! // The owner runs the loop; it ends when `shutdown` does.
//! # let shutdown = std::future::pending();
//! let running = watcher.run(shutdown);
//! # drop(running);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

mod fault;
mod look;
mod reader;
mod sentry;
mod settle;
mod survey;
mod watched;
mod watcher;

pub use fault::{Fault, WatchError};
pub use reader::Reader;
pub use watched::{Reload, Watched};
pub use watcher::{Settings, Watcher, watch, watch_from};
