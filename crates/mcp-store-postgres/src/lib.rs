//! The stores of many servers, in PostgreSQL: API tokens, accounts, their sessions and their
//! failures to log in; and what servers have in common beside them: the attempts to log in of every
//! address, and the audit log.
//!
//! ```text
//!   futures of TokenStore, AccountStore ──▶ pool ──▶ one statement, one round trip, one commit
//!                                                        │ triggers: NOTIFY
//!   ChangeSender ◀── PostgresKeeper ◀── LISTEN, on a connection of its own
//! ```
//!
//! Every server reads and writes the same tables, and none keeps anything of them: what is counted,
//! locked, opened and ended holds on all at once. Each method is one statement, those of a login
//! included: functions in the database lock the row, apply the rule of [`mcp_throttle::Lockout`]
//! and write it back. An edit alone takes several, in one transaction.
//!
//! [`PostgresStore::open`] makes the schema or migrates what it knows, and leaves alone what it does
//! not. The tables may be read and written by hand: triggers keep them consistent, end the sessions
//! of whoever was disabled or got another password, and tell every server.
//!
//! [`PostgresStore::attempts`] gives the ledger of attempts to log in that all servers share:
//! failures of addresses, and locks of names that nobody has. A login is two statements, whatever
//! becomes of it.
//!
//! [`PostgresStore::audit`] gives an audit log, whose lines wait in memory and are written some
//! hundred at a time, and [`PostgresStore::audit_lines`] reads what all servers wrote.
//!
//! A database that is down is [`StoreErrorKind::Down`], whatever was asked; no message holds a
//! password.
//!
//! ```no_run
//! use mcp_connect::Target;
//! use mcp_store::AccountStore as _;
//! use mcp_store_postgres::{PostgresSettings, PostgresStore};
//!
//! # async fn serve(shutdown: impl Future<Output = ()>) -> Result<(), Box<dyn std::error::Error>> {
//! let target = Target::parse("postgresql://auth:secret@db.example/auth?sslmode=verify-full")?;
//! let (store, keeper) = PostgresStore::open(target, PostgresSettings::default()).await?;
//! println!("{} accounts", store.accounts().await?.len());
//! keeper.run(shutdown).await;
//! # Ok(())
//! # }
//! ```
//!
//! [`StoreErrorKind::Down`]: mcp_store::StoreErrorKind::Down

#![warn(missing_docs)]

mod accounts;
mod attempts;
mod audit;
mod channel;
mod configured;
mod edit;
mod fault;
mod found;
mod keeper;
mod loose;
mod opening;
mod pool;
mod recovery;
mod refused;
mod rotate;
mod rows;
mod schema;
mod settings;
mod shape;
mod shared;
mod status;
mod store;
mod time;
mod tokens;

pub use attempts::PostgresAttempts;
pub use audit::{PostgresAudit, PostgresAuditLines, PostgresAuditWriter};
pub use channel::ChannelState;
pub use keeper::PostgresKeeper;
pub use settings::{PostgresSettings, plain_to_elsewhere};
pub use status::TablesState;
pub use store::PostgresStore;
