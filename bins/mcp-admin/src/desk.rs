//! Where the operator stands: what is configured, the time, and where answers go.

use std::cell::OnceCell;
use std::time::{Duration, SystemTime};

use mcp_config::{Config, Loaded, Sources, UserStore, load};
use mcp_identity::{Actor, AuditAction, AuditEvent, AuditOutcome, Subject};
use tokio::runtime::{Builder, Runtime};

use crate::output::{Fault, Output};
use crate::{operator, when};

pub(crate) struct Desk {
    /// In whole seconds: what lists and files show.
    pub(crate) now: SystemTime,
    pub(crate) output: Output,
    sources: Sources,
    operator: String,
    /// For files: it sleeps without a descriptor, so that no call fails that would wake it.
    runtime: Runtime,
    /// For PostgreSQL.
    connected: Runtime,
    loaded: OnceCell<Loaded>,
}

impl Desk {
    pub(crate) fn new(
        sources: Sources,
        operator: String,
        now: SystemTime,
        output: Output,
    ) -> Result<Self, Fault> {
        let runtime = Builder::new_current_thread().enable_time().build();
        let connected = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(when::unix_seconds(now)),
            output,
            sources,
            operator,
            runtime: runtime.map_err(Fault::from_failure)?,
            connected: connected.map_err(Fault::from_failure)?,
            loaded: OnceCell::new(),
        })
    }

    /// The configuration in force with its origins, or the sentence that says why there is none.
    pub(crate) fn loaded(&self) -> Result<&Loaded, Fault> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let loaded = load(&self.sources).map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            let told = error.to_string();
            let is_ours = matches!(error.fault(), mcp_config::Fault::Broken(_));
            let fault = if is_ours { Fault::ours(told) } else { Fault::refused(told) };
            fault.maybe_hint(hint)
        })?;
        Ok(self.loaded.get_or_init(|| loaded))
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Result<&Config, Fault> {
        self.loaded().map(|loaded| &loaded.config)
    }

    /// Does what has to wait.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let connects = self.config().is_ok_and(|Config { users, .. }| {
            users.store == UserStore::Postgres || users.database_dsn.is_some()
        });
        let runtime = if connects { &self.connected } else { &self.runtime };
        runtime.block_on(work)
    }

    /// Records one change that was made.
    pub(crate) fn record(&self, action: AuditAction, subject: Subject) {
        self.record_all([(action, subject)]);
    }

    /// Records changes that were made.
    pub(crate) fn record_all(&self, changes: impl IntoIterator<Item = (AuditAction, Subject)>) {
        let event = |(action, subject)| {
            let actor = Actor::Operator(self.operator.clone());
            AuditEvent::new(self.now, action, AuditOutcome::Done, subject, actor)
        };
        operator::record(self, changes.into_iter().map(event));
    }
}
