//! One PostgreSQL connection, from the text that names it to the rows of a statement.
//!
//! A [`Target`] says where and as whom; it is read from a URL, from `key=value` pairs, from
//! single parts or from `PG*` variables, and never shows its password. [`Connection::connect`]
//! tries its hosts in order, with TLS as asked, and pins the [`SessionSettings`] before anything runs.
//!
//! On the wire there is one way to run a statement: [`Connection::start`]. It sends one flight
//! with one Sync, in which the statement stands between a BEGIN and its ROLLBACK (or COMMIT).
//! Nothing else can be sent, so no statement ever runs outside a transaction. Rows are pulled
//! one by one and borrowed from the read buffer; all values come in PostgreSQL's text form.
//!
//! There is no task and no channel behind a connection: dropping a future or a [`Running`]
//! midway just leaves the connection unusable, and [`Connection::is_usable`] says so.
//!
//! ```no_run
//! use mcp_connect::{Connection, SessionSettings, Target, Transaction};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let target = Target::parse("postgresql://reader:secret@db.example:5432/sales")?;
//! assert_eq!(target.to_string(), "postgresql://reader:***@db.example:5432/sales");
//!
//! let mut connection = Connection::connect(&target, &SessionSettings::default()).await?;
//! let sql = "SELECT n FROM generate_series(1, $1::int) AS n";
//! let mut running = connection.start(Transaction::ReadOnly, sql, &[Some("3")]).await?;
//! while let Some(row) = running.next().await? {
//!     assert!(row.get(0).is_some());
//! }
//! assert_eq!(running.finish().await?.rows, 3);
//! # Ok(())
//! # }
//! ```

mod cancel;
mod client;
mod connect;
mod database_error;
mod dial;
mod dsn;
mod error;
mod flight;
mod handshake;
mod input;
mod row;
mod secret;
mod session;
mod stream;
mod target;
mod tls;
mod type_name;
mod wire;

pub use cancel::CancelHandle;
pub use client::{Driver, connect_client};
pub use database_error::DatabaseError;
pub use dsn::passfile::{PassFile, PassFileError};
pub use dsn::{DsnError, TargetBuilder, masked};
pub use error::{ConnectError, WireError};
pub use row::{Column, Row};
pub use secret::Secret;
pub use session::SessionSettings;
pub use target::{
    ChannelBinding, Host, HostAddress, RootCertificates, SslMode, Target, TargetSessionAttrs,
};
pub use type_name::type_name;
pub use wire::{Completed, Connection, MAX_MESSAGE_BYTES, Running, Transaction};
