//! Reading the log back, over all of its files, and on from there.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;
use mcp_identity::UserName;
use mcp_store::{AuditFilter, AuditLine, AuditLineFault, StoreError};
use tokio::time::sleep;

use super::names::{Names, Rotated};
use super::time::day_of;
use super::trust;
use crate::fault::{WithHint as _, refused, shown, system};

/// How often it looks for new lines.
const PAUSE: Duration = Duration::from_millis(250);
/// A line that is longer is none of ours, in bytes.
pub(super) const LONGEST: u64 = 64 * 1024;
/// How much later than its day the lines of a file may be: a clock may have been ahead.
const GRACE: Duration = Duration::from_hours(24);

/// Reads the files of an audit log, also while they are written. Takes no lock and needs no
/// right but to read.
#[derive(Clone, Debug)]
pub struct AuditReader {
    names: Names,
}

/// The lines of a log in the order of its files, oldest first.
///
/// As an iterator it ends where the log ends now; asked again, it goes on with what was written
/// since, also when a new day began. A line that is just being written is not returned before it
/// is whole. A line that is broken or of a newer version is an error with its file and line, and
/// the next call goes on behind it. After any other error it ends for now.
#[derive(Debug)]
pub struct AuditLines {
    names: Names,
    filter: AuditFilter,
    open: Option<Open>,
    /// An error was told that the next look may well meet again.
    failed: bool,
}

/// The file that is being read.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    reader: BufReader<File>,
    /// Where the next line starts, and how many were before it.
    position: u64,
    line: u64,
    /// It is not the current file any more: its end is the end.
    ended: bool,
}

impl AuditReader {
    /// The log at `path`: its current file, or the folder where that is `audit.jsonl`.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { names: Names::of(path.as_ref()) }
    }

    /// The lines that `filter` wants.
    ///
    /// # Errors
    /// When the folder of the log cannot be read. A log without any file has no lines.
    pub fn lines(&self, filter: AuditFilter) -> Result<AuditLines, StoreError> {
        listed(&self.names)?;
        let names = self.names.clone();
        Ok(AuditLines { names, filter, open: None, failed: false })
    }
}

impl AuditLines {
    /// The next line; waits for it, and looks four times a second. Dropping the future loses no
    /// line.
    ///
    /// # Errors
    /// As the iterator: an error with its place, after which it goes on.
    pub async fn wait(&mut self) -> Result<AuditLine, StoreError> {
        loop {
            match self.next() {
                Some(line) => return line,
                None => sleep(PAUSE).await,
            }
        }
    }

    /// The next line, from whichever file it is in, and what it says.
    fn advance(&mut self) -> Result<Option<Result<AuditLine, StoreError>>, StoreError> {
        loop {
            let next = match &mut self.open {
                None => self.first()?,
                Some(open) => match open.next_line()? {
                    Some(text) => return Ok(Some(open.parse(&text))),
                    None if open.ended => self.after()?,
                    None if open.is(self.names.current())? => return Ok(None),
                    // It may have got more lines after its end was seen and before it was ended:
                    // it is read once more.
                    None => {
                        open.ended = true;
                        continue;
                    }
                },
            };
            let Some(next) = next else { return Ok(None) };
            self.open = Some(next);
        }
    }

    /// The first file that may hold a wanted line.
    fn first(&self) -> Result<Option<Open>, StoreError> {
        let since = first_day(&self.filter);
        let files = listed(&self.names)?;
        let wanted = files.into_iter().filter(|file| since.is_none_or(|since| file.day >= since));
        self.first_of(wanted)
    }

    /// The file that follows the one that is open. That one is found by what it is, not by its
    /// name, which changes at midnight; while we hold it open, no other file can be taken for it.
    fn after(&mut self) -> Result<Option<Open>, StoreError> {
        let Some(open) = &self.open else { return Ok(None) };
        let files = listed(&self.names)?;
        let mut place = None;
        for (at, file) in files.iter().enumerate() {
            if open.is(&file.path)? {
                place = Some(at);
            }
        }
        if let Some(at) = place {
            return self.first_of(files.into_iter().skip(at + 1));
        }
        // It was removed or moved away: what was changed after it comes after it.
        let changed = open.metadata()?.modified().ok();
        let later = |file: &Rotated| {
            let theirs = file.path.symlink_metadata().and_then(|metadata| metadata.modified());
            theirs.ok() > changed
        };
        self.first_of(files.into_iter().filter(later))
    }

    /// The first of those files that is still there, or else the current one.
    fn first_of(&self, files: impl Iterator<Item = Rotated>) -> Result<Option<Open>, StoreError> {
        for Rotated { path, .. } in files {
            if let Some(open) = Open::new(path, true)? {
                return Ok(Some(open));
            }
        }
        Open::new(self.names.current().to_owned(), false)
    }
}

impl Iterator for AuditLines {
    type Item = Result<AuditLine, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::take(&mut self.failed) {
            return None;
        }
        loop {
            match self.advance() {
                Ok(Some(Ok(line))) if !wants(&self.filter, &line) => {}
                Ok(line) => return line,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Open {
    fn new(path: PathBuf, ended: bool) -> Result<Option<Self>, StoreError> {
        let Some(file) = trust::open_to_read(&path)? else { return Ok(None) };
        Ok(Some(Self { path, reader: BufReader::new(file), position: 0, line: 0, ended }))
    }

    /// The next whole line; in a file that has ended, also what is left of a torn one.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let mut text = Vec::new();
        let read = self.read_line(&mut text);
        let length = read.map_err(|error| system(&self.path, "read it", &error))?;
        let whole = text.ends_with(b"\n") || length >= LONGEST;
        if whole || (self.ended && length > 0) {
            self.position += length;
            self.line += 1;
            return Ok(Some(text));
        }
        self.stay(length)?;
        Ok(None)
    }

    /// Reads up to the end of a line, and says how long it is; of a line that is too long, only
    /// the beginning is kept.
    fn read_line(&mut self, text: &mut Vec<u8>) -> io::Result<u64> {
        let length = (&mut self.reader).take(LONGEST).read_until(b'\n', text)? as u64;
        if length < LONGEST || text.ends_with(b"\n") {
            return Ok(length);
        }
        Ok(length + self.reader.skip_until(b'\n')? as u64)
    }

    /// Goes back to where a line starts that is not whole yet, or to the start of a file that
    /// somebody made shorter.
    fn stay(&mut self, read: u64) -> Result<(), StoreError> {
        let shorter = !self.ended && self.metadata()?.len() < self.position;
        if shorter {
            (self.position, self.line) = (0, 0);
        }
        if shorter || read > 0 {
            let sought = self.reader.seek(SeekFrom::Start(self.position));
            sought.map_err(|error| system(&self.path, "go back in it", &error))?;
        }
        if shorter {
            let fault = "somebody made it shorter: it is read again from its start";
            return Err(refused(shown(&self.path), fault));
        }
        Ok(())
    }

    fn parse(&self, text: &[u8]) -> Result<AuditLine, StoreError> {
        AuditLine::parse(text).map_err(|fault| {
            let place = format!("{}:{}", shown(&self.path), self.line);
            let refused = refused(place, fault.to_string());
            match fault {
                AuditLineFault::Broken(_) => refused,
                AuditLineFault::Version(_) => {
                    refused.hint("read it with the program that wrote it")
                }
            }
        })
    }

    fn metadata(&self) -> Result<std::fs::Metadata, StoreError> {
        let metadata = self.reader.get_ref().metadata();
        metadata.map_err(|error| system(&self.path, "look at it", &error))
    }

    /// Is this the file of that name?
    fn is(&self, path: &Path) -> Result<bool, StoreError> {
        let ours = self.metadata()?;
        let there = path.symlink_metadata();
        Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
    }
}

pub(super) fn wants(filter: &AuditFilter, line: &AuditLine) -> bool {
    let late = filter.since.is_none_or(|since| line.time >= since);
    let named = |user: &UserName| {
        let theirs = line.user.as_deref().and_then(|name| UserName::parse(name).ok());
        theirs.as_ref() == Some(user)
    };
    late && filter.user.as_ref().is_none_or(named)
}

/// The day of the first file that may hold a wanted line.
pub(super) fn first_day(filter: &AuditFilter) -> Option<Date> {
    filter.since.and_then(|since| since.checked_sub(GRACE)).map(day_of)
}

pub(super) fn listed(names: &Names) -> Result<Vec<Rotated>, StoreError> {
    names.list().map_err(|error| system(names.folder(), "list the audit files in it", &error))
}
