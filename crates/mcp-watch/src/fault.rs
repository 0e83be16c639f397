//! Why a file could not be taken over.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the files as they are now are not in use. Matched by owners: every variant matters.
///
/// Cheap to clone. Two faults with the same text count as the same fault.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// A file is missing, unreadable, too large, or was refused by the reader's check.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file, as it was named to [`watch`](crate::watch).
        path: PathBuf,
        /// What the system or the reader said.
        source: Arc<io::Error>,
    },
    /// The parser refused the bytes. Its own error is inside, to be asked for a place or a hint.
    #[error("{0}")]
    Refused(Arc<dyn Error + Send + Sync>),
    /// The parser panicked: a bug, and no reason to lose the last good snapshot.
    #[error("{}: the parser panicked", path.display())]
    Panicked {
        /// The first of the files that were parsed.
        path: PathBuf,
    },
}

/// The first read failed: there is no snapshot to begin with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WatchError {
    /// Nothing was named to watch.
    #[error("no file is named to watch")]
    NoFiles,
    /// The files could not be read or parsed.
    #[error(transparent)]
    Fault(#[from] Fault),
}
