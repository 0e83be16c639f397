//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no throwaway PostgreSQL, or why setup SQL did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No directory holds both `initdb` and `postgres`.
    #[error(
        "no PostgreSQL found (looked for initdb and postgres in {looked_in}); \
         hint: install the postgresql package, or set PG_BINDIR"
    )]
    NotInstalled {
        /// The places, separated by commas.
        looked_in: String,
    },
    /// PostgreSQL refuses to run as root, and there is nobody to become.
    #[error("PostgreSQL does not run as root, and {missing} is missing")]
    CannotDropRoot {
        /// What would be needed.
        missing: &'static str,
    },
    /// The cache directory is writable by others, or not ours.
    #[error("{}: not a directory that only this user can write to", path.display())]
    UntrustedCache {
        /// The directory.
        path: PathBuf,
    },
    /// A file or directory of ours.
    #[error("{}: {source}", path.display())]
    File {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One of PostgreSQL's programs did not do its work.
    #[error("{program} failed: {output}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What it wrote to stderr, or the end of the log.
        output: String,
    },
    /// The server did not come up in time.
    #[error("PostgreSQL was not ready in time: {log}")]
    NotReady {
        /// The end of its log.
        log: String,
    },
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
