//! The log as those see it who record.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use mcp_identity::{AuditEvent, AuditLog, Clock};
use mcp_store::{AuditQueue, StoreError};

use super::journal::Journal;
use super::names::Names;
use super::time::day_of;
use super::writer::AuditWriter;
use crate::access::Managed;

/// Records what happened in a file. Cheap to clone: all clones are one log.
///
/// Recording puts a line into memory and wakes the [`AuditWriter`]; it needs no runtime. What is
/// recorded after the writer ended goes nowhere.
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_identity::{
///     Actor, AuditAction, AuditEvent, AuditLog as _, AuditOutcome, Clock as _, Subject,
///     SystemClock,
/// };
/// use mcp_store_file::{AuditFile, AuditFileSettings, AuditFilter, AuditReader};
///
/// # let state = tempfile::tempdir()?;
/// let settings = AuditFileSettings::new(state.path());
/// let (audit, writer) = AuditFile::open(settings, Arc::new(SystemClock))?;
/// let (action, outcome) = (AuditAction::Reload, AuditOutcome::Failed("file_is_broken"));
/// audit.record(AuditEvent::new(SystemClock.now(), action, outcome, Subject::None, Actor::Server));
/// // A server runs the writer until it stops; a tool that ends at once, so:
/// writer.finish_now()?;
/// for line in AuditReader::new(state.path()).lines(AuditFilter::default())? {
///     assert_eq!(line?.action, "reload");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AuditFile {
    queue: Arc<AuditQueue>,
}

/// Where the log lies and for how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFileSettings {
    /// The current file; or the folder, which must exist, where it is `audit.jsonl`.
    pub path: PathBuf,
    /// For how many days after its own the file of a day is kept; `None`: for ever.
    pub retention_days: Option<NonZeroU32>,
    /// For the operator's tool: run as root, it may write to a log that the service's user owns,
    /// and a file that it creates belongs to the owner of the folder. A server must not.
    pub for_its_owner: bool,
}

impl AuditFileSettings {
    /// A log that is kept for 90 days, of the user that this process acts as.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), retention_days: NonZeroU32::new(90), for_its_owner: false }
    }
}

impl AuditFile {
    /// Opens the log and creates its current file if there is none. Blocks while it does.
    ///
    /// # Errors
    /// When the file cannot be opened or created, is a link or no regular file, belongs to
    /// somebody else, or could be read or written by others than its owner.
    pub fn open(
        settings: AuditFileSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, AuditWriter), StoreError> {
        let AuditFileSettings { path, retention_days, for_its_owner } = settings;
        let managed = if for_its_owner { Managed::ForItsOwner } else { Managed::ForUs };
        let mut journal = Journal::new(Names::of(&path), managed, retention_days);
        journal.open(day_of(clock.now()))?;
        let queue = Arc::new(AuditQueue::new());
        Ok((Self { queue: Arc::clone(&queue) }, AuditWriter::new(queue, journal, clock)))
    }
}

impl AuditLog for AuditFile {
    fn record(&self, event: AuditEvent) {
        self.queue.record(event);
    }
}

impl fmt::Debug for AuditFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditFile").finish_non_exhaustive()
    }
}
