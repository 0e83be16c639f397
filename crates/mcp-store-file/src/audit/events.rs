//! Looking back: the newest lines first, and no further than a request may cost.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_store::{AuditEvents, AuditLine, AuditPage, BoxFuture, StoreError};
use tokio::sync::Semaphore;

use super::names::{Names, Rotated};
use super::reader::{LONGEST, first_day, listed, wants};
use super::trust;
use crate::fault::system;

/// How far back it is looked, over all files, in bytes.
const FARTHEST: u64 = 8 * 1024 * 1024;
/// So much is read at once, in bytes.
const CHUNK: u64 = 64 * 1024;

/// The newest lines of the files of an audit log, also while they are written.
///
/// It looks back 8 MiB and no further; answers are made one after another, on a thread that may
/// block.
#[derive(Clone, Debug)]
pub struct FileEvents {
    names: Names,
    turn: Arc<Semaphore>,
}

impl FileEvents {
    /// The log at `path`: its current file, or the folder where that is `audit.jsonl`.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { names: Names::of(path.as_ref()), turn: Arc::new(Semaphore::new(1)) }
    }

    async fn look(&self, page: AuditPage) -> Result<Vec<AuditLine>, StoreError> {
        // It is never closed. Held by the work: who leaves does not let another one begin.
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok();
        let names = self.names.clone();
        let work = tokio::task::spawn_blocking(move || {
            let found = find(&names, &page.bounded());
            drop(turn);
            found
        });
        match work.await {
            Ok(found) => found,
            // A panic of ours goes to our owner.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down and takes us along at this very point.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl AuditEvents for FileEvents {
    fn newest(&self, page: AuditPage) -> BoxFuture<'_, Result<Vec<AuditLine>, StoreError>> {
        Box::pin(self.look(page))
    }
}

fn find(names: &Names, page: &AuditPage) -> Result<Vec<AuditLine>, StoreError> {
    let mut wanted = Wanted { page, passed: 0, found: Vec::new() };
    let mut left = FARTHEST;
    // Opened before the others are listed: when a day begins in between, it is met twice and told
    // once, not missed.
    let current = Backwards::open(names.current().to_owned())?;
    let begun = current.as_ref().map(|file| file.id);
    let since = first_day(&page.filter);
    let older = listed(names)?.into_iter().rev();
    let older = older.filter(|file| since.is_none_or(|since| file.day >= since));
    if let Some(mut current) = current {
        // What has no end yet is being written.
        current.next_line(&mut left)?;
        wanted.take_from(current, &mut left)?;
    }
    for Rotated { path, .. } in older {
        if wanted.is_enough() || left == 0 {
            break;
        }
        match Backwards::open(path)? {
            Some(file) if Some(file.id) != begun => wanted.take_from(file, &mut left)?,
            _ => {}
        }
    }
    Ok(wanted.found)
}

/// The lines of a page, as they are found.
struct Wanted<'a> {
    page: &'a AuditPage,
    passed: usize,
    found: Vec<AuditLine>,
}

impl Wanted<'_> {
    fn is_enough(&self) -> bool {
        self.found.len() >= self.page.limit
    }

    fn take_from(&mut self, mut file: Backwards, left: &mut u64) -> Result<(), StoreError> {
        while !self.is_enough()
            && let Some(text) = file.next_line(left)?
        {
            // What cannot be read is for the operator's tool to tell of.
            let Ok(line) = AuditLine::parse(&text) else { continue };
            if !wants(&self.page.filter, &line) {
                continue;
            }
            if self.passed < self.page.offset {
                self.passed += 1;
            } else {
                self.found.push(line);
            }
        }
        Ok(())
    }
}

/// A file that is read from its end.
struct Backwards {
    path: PathBuf,
    file: File,
    /// What it is, whatever it is called.
    id: (u64, u64),
    /// What stands before this was not read yet.
    unread: u64,
    /// What follows it and was not given yet: the end of a line, and lines with their ends.
    held: Vec<u8>,
    /// The start of what is held belongs to a line that is too long: it is none of ours.
    cut: bool,
    ended: bool,
}

impl Backwards {
    fn open(path: PathBuf) -> Result<Option<Self>, StoreError> {
        let Some(file) = trust::open_to_read(&path)? else { return Ok(None) };
        let metadata = file.metadata().map_err(|error| system(&path, "look at it", &error))?;
        let (id, unread) = ((metadata.dev(), metadata.ino()), metadata.len());
        let (held, cut, ended) = (Vec::new(), false, false);
        Ok(Some(Self { path, file, id, unread, held, cut, ended }))
    }

    /// The line before the one that was given last, without its end. First comes what stands behind
    /// the last end of a line, which is nothing in a file that is whole. `None`: the file begins
    /// here, or nothing is `left` to be read.
    fn next_line(&mut self, left: &mut u64) -> Result<Option<Vec<u8>>, StoreError> {
        loop {
            if let Some(end) = self.held.iter().rposition(|byte| *byte == b'\n') {
                let line = self.held.split_off(end + 1);
                self.held.pop();
                if !std::mem::take(&mut self.cut) {
                    return Ok(Some(line));
                }
            } else if self.unread == 0 {
                let whole = !self.ended && !self.cut;
                self.ended = true;
                return Ok(whole.then(|| std::mem::take(&mut self.held)));
            } else if *left == 0 {
                return Ok(None);
            } else {
                self.read_on(left)?;
            }
        }
    }

    /// Holds more of the file. Of a line that is too long, nothing is held.
    fn read_on(&mut self, left: &mut u64) -> Result<(), StoreError> {
        if self.held.len() as u64 >= LONGEST {
            self.held.clear();
            self.cut = true;
        }
        let length = CHUNK.min(self.unread).min(*left);
        let mut chunk = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = self.file.read_exact_at(&mut chunk, self.unread - length);
        read.map_err(|error| system(&self.path, "read it", &error))?;
        chunk.append(&mut self.held);
        self.held = chunk;
        self.unread -= length;
        *left -= length;
        Ok(())
    }
}
