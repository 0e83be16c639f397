//! Word of what others do to a credential file: an operator's editor, `mcp-admin`, a mounted
//! secret.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use mcp_store::{Change, StoreError, StoreErrorKind};
use mcp_watch::{Fault, Reader, Reload, Settings, Watcher, watch_from};

use crate::access::{self, resolve};
use crate::credential_file::CredentialFile;
use crate::fault::{refused, shown};
use crate::kind::Kind;
use crate::latest::{InUse, Reading, Snapshot};
use crate::tokens::Tokens;
use crate::users::Users;

/// Tells the listeners of a [`TokenFile`](crate::TokenFile) of every change to the file that left
/// it readable, and logs each reload and each distinct fault once. While it lives, what it read
/// last is what the store holds. Made by [`TokenFile::watch`](crate::TokenFile::watch).
#[must_use = "nothing is told until `run` is awaited"]
pub struct TokenFileWatch(pub(crate) Watch<Tokens>);

impl TokenFileWatch {
    /// The state of the file, for as long as this runs.
    #[must_use]
    pub fn state(&self) -> FileState {
        self.0.state()
    }

    /// Tells until `shutdown` ends.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        self.0.run(shutdown).await;
    }
}

/// Tells the listeners of a [`UserFile`](crate::UserFile) of every change to the file that left
/// it readable, and logs each reload and each distinct fault once. While it lives, what it read
/// last is what the file holds. Made by [`UserFile::watch`](crate::UserFile::watch).
#[must_use = "nothing is told until `run` is awaited"]
pub struct UserFileWatch(pub(crate) Watch<Users>);

impl UserFileWatch {
    /// The state of the file, for as long as this runs.
    #[must_use]
    pub fn state(&self) -> FileState {
        self.0.state()
    }

    /// Tells until `shutdown` ends.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        self.0.run(shutdown).await;
    }
}

/// Whether a watched file can be used as it is now. Cheap to clone and to ask.
#[derive(Clone)]
pub struct FileState(Arc<dyn Fn() -> bool + Send + Sync>);

/// The state of a token file.
pub type TokenFileState = FileState;

impl FileState {
    /// Is something wrong with the file, so that the records of before are still in force?
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileState").field("is_faulty", &self.is_faulty()).finish()
    }
}

pub(crate) struct Watch<K: Kind> {
    file: CredentialFile<K>,
    presence: Presence,
    reading: Reading<K>,
    watcher: Watcher<Option<Snapshot<K>>>,
    in_use: InUse<K>,
}

/// What it means that a file is not there and never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Something is wrong.
    Expected,
    /// Nobody has written it yet.
    Optional,
}

impl<K: Kind> Watch<K> {
    pub(crate) fn of(file: &CredentialFile<K>, presence: Presence) -> Result<Self, StoreError> {
        let (managed, epoch) = (file.managed(), file.latest().epoch().clone());
        let reader = Reader::new(move |path| {
            let began = epoch.now();
            let resolved = resolve(path).map_err(into_io)?;
            let (text, _) = access::read(&resolved, managed, &K::WORDS).map_err(into_io)?;
            Ok(stamped(text.into_bytes(), began))
        });
        let parser = file.clone();
        let parse =
            move |files: &[Vec<u8>]| files.first().map(|bytes| parsed(bytes, &parser)).transpose();
        let settings = Settings { reader, ..Settings::default() };
        let watching = watch_from(None, vec![file.path().to_owned()], parse, settings);
        let (reading, watcher) =
            watching.map_err(|error| refused(shown(file.path()), error.to_string()))?;
        // From now on: what was read for this is not read again for who asks before it runs.
        let in_use = file.latest().follow(reading.clone());
        Ok(Self { file: file.clone(), presence, reading, watcher, in_use })
    }

    fn state(&self) -> FileState {
        let (reading, presence) = (self.reading.clone(), self.presence);
        FileState(Arc::new(move || {
            reading.fault().is_some_and(|fault| {
                let was_never_there = is_missing(&fault) && reading.current().is_none();
                presence == Presence::Expected || !was_never_there
            })
        }))
    }

    async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { file, presence: _, reading, watcher, in_use: _in_use } = self;
        // The watcher ends with `shutdown`, and what it told with it.
        tokio::join!(watcher.run(shutdown), tell(&file, reading));
    }
}

async fn tell<K: Kind>(file: &CredentialFile<K>, mut reading: Reading<K>) {
    let path = shown(file.path());
    while let Some(reload) = reading.changed().await {
        match reload {
            Reload::Reloaded => {
                file.changes().tell(Change::Everything);
                tracing::info!("[AUTH] Reloaded {path}");
            }
            Reload::Recovered => tracing::info!("[AUTH] {path} is as it was again"),
            Reload::Failed(fault) => tell_of(&fault, &path),
        }
    }
}

/// Every fault that we raise ourselves is a [`StoreError`], with its place and its hint.
fn tell_of(fault: &Fault, path: &str) {
    let raised = match fault {
        Fault::Read { source, .. } => source.get_ref().and_then(|error| error.downcast_ref()),
        Fault::Refused(error) => error.downcast_ref::<StoreError>(),
        Fault::Panicked { .. } => None,
    };
    let hint = raised.and_then(|error| error.hint.as_deref());
    let reason = match raised {
        // The place says no more than that it is this file.
        Some(error) if error.place == path => error.fault.clone(),
        Some(error) => error.to_string(),
        None => fault.to_string(),
    };
    tracing::error!(hint, "[AUTH] Failed to reload {path}: {reason}");
}

fn is_missing(fault: &Fault) -> bool {
    matches!(fault, Fault::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// The bytes of the file and, behind them, the epoch in which they were asked for: bytes that
/// were read before a change of ours are not those that lie there after it, be they the same.
fn stamped(mut bytes: Vec<u8>, epoch: u64) -> Vec<u8> {
    bytes.extend(epoch.to_be_bytes());
    bytes
}

fn parsed<K: Kind>(stamped: &[u8], file: &CredentialFile<K>) -> Result<Snapshot<K>, StoreError> {
    let (bytes, epoch) = stamped.split_last_chunk().unwrap_or((stamped, &[0; 8]));
    let text =
        std::str::from_utf8(bytes).map_err(|_| refused(shown(file.path()), "it is not UTF-8"))?;
    Ok(Snapshot::new(u64::from_be_bytes(*epoch), file.parse(text)?))
}

fn into_io(error: StoreError) -> io::Error {
    let kind = match error.kind {
        StoreErrorKind::Missing => io::ErrorKind::NotFound,
        StoreErrorKind::Refused | StoreErrorKind::Down | StoreErrorKind::NotDurable => {
            io::ErrorKind::Other
        }
    };
    io::Error::new(kind, error)
}
