//! A throwaway PostgreSQL, run from the installed binaries.
//!
//! `initdb` runs once per version into a cached template; every [`Postgres`] is a copy of it that
//! starts in a fraction of a second, speaks on a Unix socket in a directory of its own, and is
//! gone with the value, or with the process, even when that is killed.
//!
//! Nothing here is durable and nothing here is for data that matters: `fsync` is off. The server
//! is reached without a password by whoever may enter the socket's directory, which is its
//! owner; TCP is off unless [`Tcp`] asks for it, and then wants a password.
//!
//! Everything blocks; there is no runtime in here.
//!
//! ```
//! use mcp_testdb::Postgres;
//!
//! let server = Postgres::for_tests()?;
//! assert_eq!(server.execute("postgres", "SELECT 6 * 7")?, "42\n");
//! assert!(server.dsn("postgres").starts_with("postgresql://postgres@/postgres?host="));
//! # Ok::<(), mcp_testdb::Error>(())
//! ```

mod account;
mod binaries;
mod cache;
mod error;
mod options;
mod process;
mod server;

pub use binaries::{Binaries, Locate};
pub use error::Error;
pub use options::{Options, Tcp, TlsFiles};
pub use server::Postgres;

/// The other name of [`Postgres`], for places where a connection pool has taken the short one.
pub type PostgresServer = Postgres;
