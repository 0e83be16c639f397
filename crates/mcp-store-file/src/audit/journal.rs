//! The current file of the log: held while it is written, ended at midnight, mended when torn.
//!
//! Several processes may write one log, so nothing is known between two writes: each takes the
//! lock, sees whether its file is still the current one, and looks at the end of it if somebody
//! else wrote.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::{Duration, Instant};

use jiff::ToSpan as _;
use jiff::civil::Date;
use mcp_store::{AuditLine, StoreError};

use super::names::Names;
use super::time::day_of;
use super::trust;
use crate::access::{Managed, Owner};
use crate::fault::{down, shown, system};

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(5);
/// How often the current file may be another one than the one that was just opened.
const ROUNDS: usize = 16;
/// No line is longer; the last one is looked for in so many bytes.
const TAIL: u64 = 16 * 1024;

/// Appends to the current file. Its calls block.
#[derive(Debug)]
pub(super) struct Journal {
    names: Names,
    managed: Managed,
    /// For how many days the files of days gone by are kept; `None`: for ever.
    retention_days: Option<NonZeroU32>,
    current: Option<Current>,
    /// To whom the log belongs, as far as a file of it was seen.
    owner: Option<Owner>,
    /// The day on which old files were last looked for.
    swept: Option<Date>,
}

#[derive(Debug)]
struct Current {
    file: File,
    day: Date,
    /// How long it was when we last saw its end, which was the end of a line.
    length: Option<u64>,
    /// Were lines written since it was last made durable?
    dirty: bool,
}

impl Journal {
    pub(super) fn new(names: Names, managed: Managed, retention_days: Option<NonZeroU32>) -> Self {
        Self { names, managed, retention_days, current: None, owner: None, swept: None }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Opens or creates the current file, and ends it if it is of another day than `today`.
    pub(super) fn open(&mut self, today: Date) -> Result<(), StoreError> {
        self.append(&[], today).1
    }

    /// Appends whole lines, and says how many bytes of them are in the file: all of them, or up
    /// to the end of a line and why not more.
    pub(super) fn append(&mut self, text: &[u8], today: Date) -> (usize, Result<(), StoreError>) {
        let mut current = match self.hold(today) {
            Ok(current) => current,
            Err(error) => return (0, Err(error)),
        };
        let (written, result) = current.append(text);
        // Unlocked by being closed, should this fail.
        if current.file.unlock().is_ok() {
            self.current = Some(current);
        }
        let failed = |error| system(self.names.current(), "write to it", &error);
        (written, result.map_err(failed))
    }

    /// Makes what was written survive a power cut.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let synced = current.sync();
        synced.map_err(|error| system(self.names.current(), "make sure that it is on disk", &error))
    }

    /// The current file, locked, and of today.
    fn hold(&mut self, today: Date) -> Result<Current, StoreError> {
        for _ in 0..ROUNDS {
            let found = match self.current.take() {
                Some(current) => Some(current),
                None => self.find(today)?,
            };
            let Some(mut current) = found else { continue };
            self.lock(&current.file)?;
            if !self.is_current(&current.file)? {
                // Another process ended it. What we wrote there is still ours to make durable.
                self.result(current.sync(), "make sure that it is on disk")?;
                continue;
            }
            let length = self.result(current.mend(), "mend its end")?;
            if length == 0 || current.day == today {
                current.day = today;
                self.sweep(today);
                return Ok(current);
            }
            self.rotate(current, today)?;
        }
        Err(down(self.names.current(), "it is replaced faster than it can be opened"))
    }

    /// Opens or creates the current file; `None` if it came or went meanwhile.
    fn find(&mut self, today: Date) -> Result<Option<Current>, StoreError> {
        let path = self.names.current();
        let file = match trust::open(path, self.managed)? {
            Some(file) => file,
            None => match trust::create(path, self.managed, self.owner)? {
                Some(file) => file,
                None => return Ok(None),
            },
        };
        let metadata = self.result(file.metadata(), "look at it")?;
        self.owner = Some(Owner::of(&metadata));
        let day = self.result(day_of_last_line(&file), "read its end")?.unwrap_or(today);
        // An earlier handle may have been given up before its lines were durable.
        Ok(Some(Current { file, day, length: None, dirty: true }))
    }

    fn lock(&self, file: &File) -> Result<(), StoreError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::park_timeout(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(down(self.names.current(), "another process keeps it locked"));
                }
                Err(TryLockError::Error(error)) => return self.result(Err(error), "lock it"),
            }
        }
    }

    fn is_current(&self, file: &File) -> Result<bool, StoreError> {
        let ours = self.result(file.metadata(), "look at it")?;
        match fs::symlink_metadata(self.names.current()) {
            Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => self.result(Err(error), "look at it"),
        }
    }

    /// Ends the current file, whose lock is given back with it.
    fn rotate(&self, mut current: Current, today: Date) -> Result<(), StoreError> {
        self.result(current.sync(), "make sure that it is on disk")?;
        // A clock that was ahead for a while leaves no file of the future behind, which nothing
        // would remove for as long.
        let day = current.day.min(today);
        let path = self.result(self.names.vacant(day), "look for a name for it")?;
        self.result(fs::rename(self.names.current(), &path), "rename it")?;
        let folder = File::open(self.names.folder()).and_then(|folder| folder.sync_all());
        self.result(folder, "make sure that its new name is on disk")
    }

    /// Removes the files of days that are over long enough, once a day.
    fn sweep(&mut self, today: Date) {
        let Some(days) = self.retention_days else { return };
        if self.swept.replace(today) == Some(today) {
            return;
        }
        let oldest = today.saturating_sub(i64::from(days.get()).min(1_000_000).days());
        if let Err(error) = remove_before(oldest, &self.names) {
            let folder = shown(self.names.folder());
            tracing::warn!(%folder, %error, "Cannot remove old audit files; tried again tomorrow");
        }
    }

    fn result<T>(&self, result: io::Result<T>, doing: &str) -> Result<T, StoreError> {
        result.map_err(|error| system(self.names.current(), doing, &error))
    }
}

impl Current {
    /// Ends a torn last line, so that the next one starts as one. Says how long the file is.
    fn mend(&mut self) -> io::Result<u64> {
        let length = self.file.metadata()?.len();
        if self.length != Some(length) && length > 0 {
            let mut last = [0];
            self.file.read_exact_at(&mut last, length - 1)?;
            if last != *b"\n" {
                self.file.write_all(b"\n")?;
                self.length = None;
                return Ok(length + 1);
            }
        }
        self.length = Some(length);
        Ok(length)
    }

    fn append(&mut self, text: &[u8]) -> (usize, io::Result<()>) {
        if text.is_empty() {
            return (0, Ok(()));
        }
        self.dirty = true;
        let start = self.length.take();
        let (written, result) = write(&mut self.file, text);
        if result.is_ok() {
            self.length = start.map(|start| start + text.len() as u64);
            return (written, Ok(()));
        }
        let whole = text[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // The torn line is taken back where that is possible; else it is ended before the next.
        if let Some(start) = start.filter(|_| whole < written) {
            let _ = self.file.set_len(start + whole as u64);
        }
        (whole, result)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            // Not tried again after a failure: the system has dropped the pages by then.
            self.dirty = false;
            self.file.sync_data()?;
        }
        Ok(())
    }
}

fn remove_before(oldest: Date, names: &Names) -> io::Result<()> {
    for file in names.list()?.into_iter().filter(|file| file.day < oldest) {
        match fs::remove_file(&file.path) {
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// Writes as much as it can, and says how much that was.
fn write(file: &mut impl Write, text: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < text.len() {
        match file.write(&text[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// The day of the last whole line. A file that ends in none of ours is as old as its last change.
fn day_of_last_line(file: &File) -> io::Result<Option<Date>> {
    let metadata = file.metadata()?;
    if metadata.len() == 0 {
        return Ok(None);
    }
    let start = metadata.len().saturating_sub(TAIL);
    let mut tail = vec![0; usize::try_from(metadata.len() - start).unwrap_or_default()];
    file.read_exact_at(&mut tail, start)?;
    let mut lines = tail.rsplit(|byte| *byte == b'\n');
    let last = lines.find_map(|line| AuditLine::parse(line).ok());
    Ok(Some(day_of(last.map_or(metadata.modified()?, |line| line.time))))
}
