//! One connection pool per (principal, database), and none without a principal.
//!
//! Two principals never share a connection: whatever a session of PostgreSQL remembers (settings,
//! temporary tables, a role, prepared statements) stays with the credential that made it. A pool
//! is made when its principal first asks, and closes when the principal's lease ends, or when
//! nobody has used it for a while.
//!
//! [`Pools::acquire`] is the only door. [`PoolKeeper::run`] is the task beside it: it closes what
//! has ended, and cancels statements whose caller went away.

mod database;
mod inspect;
mod keeper;
mod lent;
mod manager;
mod places;
mod pools;
mod session;

pub use database::{Database, DatabaseSettings};
pub use inspect::{TooMuch, inspect};
pub use keeper::PoolKeeper;
pub use lent::Lent;
pub use pools::{AcquireError, Pools};
