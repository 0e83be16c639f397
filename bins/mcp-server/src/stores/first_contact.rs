//! A server that started while the database of its users was down: what it does when that answers.
//!
//! ```text
//!   start, database down ──▶ nobody is let in (503) ──▶ it answers: the start is made up for
//!                                                         ├─ done ────────▶ the store is opened
//!                                                         └─ not to be ──▶ said once; nobody is
//!                                                            let in, until somebody mends it
//! ```

use std::sync::Arc;
use std::time::Duration;

use mcp_config::Config;
use mcp_connect::Target;
use mcp_identity::{AuditLog, Clock};
use mcp_password::Hasher;
use mcp_store_postgres::{PostgresSettings, PostgresStore};

use super::first_users::FirstUsers;
use super::postgres::count;
use super::refuse;
use crate::fault::StartFault;

/// The first wait between two tries, doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What a start does with the database of the users, for when it answers.
pub(super) struct FirstContact {
    pub(super) target: Target,
    pub(super) settings: PostgresSettings,
    pub(super) config: Config,
    pub(super) hasher: Arc<Hasher>,
    pub(super) audit: Arc<dyn AuditLog>,
    pub(super) clock: Arc<dyn Clock>,
    /// Others than this machine can come.
    pub(super) beyond_loopback: bool,
}

impl FirstContact {
    /// Waits until the database answers, makes the first users as a start does, and refuses what a
    /// start refuses. Until it returns, the store that requests ask must stay closed.
    pub(super) async fn made(self) {
        let mut wait = FIRST_WAIT;
        let mut told = String::new();
        while let Err(fault) = self.make().await {
            // That the database is down was said at the start.
            if fault.is_mendable() && fault.lines() != told {
                told = fault.lines().to_owned();
                let (error, hint) = fault.parts();
                tracing::error!(error, hint, "Nobody is let in until this is mended");
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn make(&self) -> Result<(), StartFault> {
        // On connections of its own: nobody else may use them yet.
        let opening = PostgresStore::open(self.target.clone(), self.settings.clone());
        let (store, _) = Box::pin(opening).await.map_err(|fault| refuse(&fault))?;
        let now = self.clock.now();
        let (hasher, audit) = (&*self.hasher, &*self.audit);
        let first = FirstUsers { store: &store, hasher, audit, now };
        let made = Box::pin(first.make(&self.config, self.beyond_loopback)).await;
        let counted = match made {
            Ok(()) => {
                let counting = count(&store, &self.target.to_string(), now).await;
                counting.map_err(|fault| refuse(&fault))
            }
            refused => refused,
        };
        store.close();
        counted
    }
}
