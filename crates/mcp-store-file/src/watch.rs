//! Word of what others do to a token file: an operator's editor, `mcp-admin`, a mounted secret.

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;

use mcp_store::{Change, StoreError};
use mcp_watch::{Reader, Reload, Settings, Watched, Watcher, watch_from};

use crate::access::{self, resolve};
use crate::fault::{refused, shown};
use crate::token_file::TokenFile;
use crate::yaml;

/// Tells the listeners of a [`TokenFile`] of every change to the file that left it readable, and
/// logs each reload and each distinct fault once. Made by [`TokenFile::watch`].
#[must_use = "nothing is told until `run` is awaited"]
pub struct TokenFileWatch {
    file: Arc<TokenFile>,
    watched: Watched<()>,
    watcher: Watcher<()>,
}

impl TokenFile {
    /// Prepares to watch the file, which need not be there yet. Blocks while it reads.
    ///
    /// # Errors
    /// When it cannot be watched at all.
    pub fn watch(self: &Arc<Self>) -> Result<TokenFileWatch, StoreError> {
        let managed = self.managed();
        let reader = Reader::new(move |path| {
            let resolved = resolve(path).map_err(into_io)?;
            let (text, _) = access::read(&resolved, managed).map_err(into_io)?;
            Ok(text.into_bytes())
        });
        let path = self.path().to_owned();
        let parse = move |files: &[Vec<u8>]| check(&path, files);
        let settings = Settings { reader, ..Settings::default() };
        let watching = watch_from((), vec![self.path().to_owned()], parse, settings);
        let (watched, running) =
            watching.map_err(|error| refused(shown(self.path()), error.to_string()))?;
        Ok(TokenFileWatch { file: Arc::clone(self), watched, watcher: running })
    }
}

/// Whether the file can be used as it is now. Cheap to clone and to ask.
#[derive(Clone)]
pub struct TokenFileState(Watched<()>);

impl TokenFileState {
    /// Is something wrong with the file, so that the records of before are still in force?
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.0.fault().is_some()
    }
}

impl TokenFileWatch {
    /// The state of the file, for as long as this runs.
    #[must_use]
    pub fn state(&self) -> TokenFileState {
        TokenFileState(self.watched.clone())
    }

    /// Tells until `shutdown` ends.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { file, watched, watcher } = self;
        // The watcher ends with `shutdown`, and what it told with it.
        tokio::join!(watcher.run(shutdown), tell(&file, watched));
    }
}

async fn tell(file: &TokenFile, mut watched: Watched<()>) {
    let path = shown(file.path());
    while let Some(reload) = watched.changed().await {
        match reload {
            Reload::Reloaded => {
                file.tell(Change::Everything);
                tracing::info!("[AUTH] Reloaded {path}");
            }
            Reload::Recovered => tracing::info!("[AUTH] {path} is as it was again"),
            Reload::Failed(fault) => tracing::error!("[AUTH] Failed to reload {path}: {fault}"),
        }
    }
}

/// Only what can be read whole is told: the listener reads it again.
fn check(path: &Path, files: &[Vec<u8>]) -> Result<(), StoreError> {
    for bytes in files {
        let text =
            std::str::from_utf8(bytes).map_err(|_| refused(shown(path), "it is not UTF-8"))?;
        yaml::parse(text, path)?;
    }
    Ok(())
}

/// The path is said by whoever reports it.
fn into_io(error: StoreError) -> io::Error {
    io::Error::other(error.fault)
}
