//! The open database: reading, and changing it as a whole.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mcp_store::{StoreError, StoreErrorKind};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::fault::{damaged, fault, is_damage};
use super::place::Place;
use super::schema;
use crate::access::Managed;
use crate::fault::{WithHint as _, down, refused, shown, system};

/// How long a change waits for that of another process.
const PATIENCE: Duration = Duration::from_secs(5);

/// The state database, open.
pub(crate) struct State {
    db: Connection,
    path: PathBuf,
    file: FileId,
    seen: i64,
}

/// What must be on disk before a change is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The change itself.
    Full,
    /// Nothing: a power cut may take it back. The next full one takes it along.
    Batched,
}

/// A change that is made as a whole, or not at all if it is dropped.
pub(crate) struct Transaction<'a> {
    change: rusqlite::Transaction<'a>,
    path: &'a Path,
}

/// What is in the database, for reading and, within a transaction, for changing.
pub(crate) struct Tables<'a> {
    db: &'a Connection,
    path: &'a Path,
}

/// Which file lies at a path: device and inode.
type FileId = (u64, u64);

/// Why a file could not be opened as ours.
enum Unopened {
    /// It is not what SQLite wrote.
    Damaged,
    Failed(StoreError),
}

impl State {
    /// Opens the database in `folder`, and makes it if there is none. A server sets a damaged one
    /// aside, with the time `now` in its name, and begins anew.
    pub(crate) fn open(
        folder: &Path,
        managed: Managed,
        now: SystemTime,
    ) -> Result<Self, StoreError> {
        let place = Place::find(folder, managed)?;
        // Two that begin at the same time must not both make the file, or set it aside.
        let _lock = place.lock()?;
        place.prepare()?;
        match Self::connect(place.path()) {
            Ok(state) => Ok(state),
            Err(Unopened::Failed(error)) => Err(error),
            Err(Unopened::Damaged) if managed == Managed::ForItsOwner => Err(damaged(place.path())
                .hint("start mcp-server: it sets the file aside and begins a new one")),
            Err(Unopened::Damaged) => {
                place.set_aside(now)?;
                place.prepare()?;
                Self::connect(place.path()).map_err(|again| match again {
                    Unopened::Failed(error) => error,
                    Unopened::Damaged => damaged(place.path()),
                })
            }
        }
    }

    fn connect(path: &Path) -> Result<Self, Unopened> {
        let opening = |error: rusqlite::Error| Unopened::of(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let db = Connection::open_with_flags(path, flags).map_err(opening)?;
        db.busy_timeout(PATIENCE).map_err(opening)?;
        // A header that cannot be read is damage, not a foreign layout.
        db.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(())).map_err(opening)?;
        schema::check(&db, path).map_err(Unopened::Failed)?;
        if !is_sound(&db).map_err(opening)? {
            return Err(Unopened::Damaged);
        }
        configure(&db, path)?;
        schema::migrate(&db).map_err(opening)?;
        let (file, seen) = (file_at(path).map_err(Unopened::Failed)?, 0);
        let mut state = Self { db, path: path.to_owned(), file, seen };
        state.was_changed_elsewhere().map_err(Unopened::Failed)?;
        Ok(state)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// For reading.
    pub(crate) fn tables(&self) -> Result<Tables<'_>, StoreError> {
        self.is_in_its_place()?;
        Ok(Tables { db: &self.db, path: &self.path })
    }

    /// Begins a change. Nobody else begins one before it has ended.
    pub(crate) fn begin(&self, durability: Durability) -> Result<Transaction<'_>, StoreError> {
        self.is_in_its_place()?;
        let synchronous = match durability {
            Durability::Full => "PRAGMA synchronous = FULL",
            Durability::Batched => "PRAGMA synchronous = NORMAL",
        };
        let begun = self.db.execute_batch(synchronous).and_then(|()| {
            rusqlite::Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)
        });
        let change = begun.map_err(|error| fault(&self.path, "begin a change", &error))?;
        Ok(Transaction { change, path: &self.path })
    }

    /// Has another process, or another connection of this one, changed something since this was
    /// asked last?
    pub(crate) fn was_changed_elsewhere(&mut self) -> Result<bool, StoreError> {
        self.is_in_its_place()?;
        let asked = self.db.query_row("PRAGMA data_version", (), |row| row.get(0));
        let version: i64 = asked.map_err(|error| fault(&self.path, "look at it", &error))?;
        Ok(std::mem::replace(&mut self.seen, version) != version)
    }

    /// What is written to a file that has no name any more is written for nobody, and nobody else
    /// writes there: we would not hear of a session that an admin ends.
    fn is_in_its_place(&self) -> Result<(), StoreError> {
        match file_at(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            Err(error) if error.kind != StoreErrorKind::Missing => Err(error),
            Ok(_) | Err(_) => {
                Err(down(&self.path, "the file was removed or replaced while in use")
                    .hint("put it back, or restart mcp-server"))
            }
        }
    }
}

impl Transaction<'_> {
    pub(crate) fn tables(&self) -> Tables<'_> {
        Tables { db: &self.change, path: self.path }
    }

    /// Makes the change. After an error it was not made.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        let Self { change, path } = self;
        change.commit().map_err(|error| fault(path, "write it", &error))
    }
}

impl Tables<'_> {
    /// Does the work, and says what it was if it failed.
    pub(super) fn run<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(self.db).map_err(|error| fault(self.path, doing, &error))
    }
}

impl Unopened {
    fn of(path: &Path, error: &rusqlite::Error) -> Self {
        if is_damage(error) { Self::Damaged } else { Self::Failed(fault(path, "open it", error)) }
    }
}

/// Is every page in its place?
fn is_sound(db: &Connection) -> rusqlite::Result<bool> {
    let said: String = db.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    Ok(said == "ok")
}

fn configure(db: &Connection, path: &Path) -> Result<(), Unopened> {
    let opening = |error: rusqlite::Error| Unopened::of(path, &error);
    let set: Result<String, _> = db.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0));
    if set.map_err(opening)? != "wal" {
        let fault = refused(shown(path), "its file system cannot share memory between processes");
        return Err(Unopened::Failed(
            fault.hint("name a folder on a local disk in state.directory"),
        ));
    }
    // A cut of power takes nothing back that was acknowledged, on macOS neither; and what somebody
    // may have planted in the schema does nothing.
    let settings = "PRAGMA fullfsync = ON; PRAGMA trusted_schema = OFF; \
                    PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;";
    db.execute_batch(settings).map_err(opening)
}

fn file_at(path: &Path) -> Result<FileId, StoreError> {
    // Never opened by us: closing a file gives up every lock that SQLite holds on it
    // (sqlite.org/howtocorrupt.html, 2.2).
    let metadata =
        fs::symlink_metadata(path).map_err(|error| system(path, "look at it", &error))?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use mcp_store::UserRecord;

    use super::*;
    use crate::state::{AccountKey, Kept};

    fn open(folder: &Path) -> State {
        State::open(folder, Managed::ForUs, SystemTime::UNIX_EPOCH).unwrap()
    }

    fn account(n: i64) -> AccountKey {
        AccountKey { name: "alice".to_owned(), made: n }
    }

    fn one_failure() -> Kept {
        Kept { failures: 1, ..Kept::default() }
    }

    #[test]
    fn who_waits_for_another_process_too_long_is_told_that_the_store_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (open(folder.path()), open(folder.path()));
        let held = theirs.begin(Durability::Full).unwrap();
        ours.db.busy_timeout(Duration::from_millis(1)).unwrap();
        let down = ours.begin(Durability::Full).err().unwrap();
        assert_eq!((down.kind, down.hint.is_some()), (StoreErrorKind::Down, true));
        assert!(ours.tables().unwrap().all_kept().unwrap().is_empty(), "readers wait for nobody");
        held.tables().keep(&account(1), &one_failure()).unwrap();
        held.commit().unwrap();
        ours.begin(Durability::Full).unwrap().commit().unwrap();
        assert_eq!(ours.tables().unwrap().kept(&account(1)), Ok(one_failure()));
    }

    #[test]
    fn nothing_of_a_change_is_kept_that_found_the_disk_full() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path());
        state.db.query_row("PRAGMA max_page_count = 1", (), |_| Ok(())).unwrap();
        let change = state.begin(Durability::Full).unwrap();
        let kept = (0..10_000).try_for_each(|n| change.tables().keep(&account(n), &one_failure()));
        let full = kept.unwrap_err();
        assert_eq!(full.kind, StoreErrorKind::Down);
        assert!(full.fault.contains("full"), "{full}");
        drop(change);
        assert!(state.tables().unwrap().all_kept().unwrap().is_empty());
        state.db.query_row("PRAGMA max_page_count = 10000", (), |_| Ok(())).unwrap();
        let change = state.begin(Durability::Full).unwrap();
        change.tables().keep(&account(1), &one_failure()).unwrap();
        change.commit().unwrap();
    }

    #[test]
    fn only_what_others_changed_was_changed_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let (mut ours, mut theirs) = (open(folder.path()), open(folder.path()));
        assert_eq!(ours.was_changed_elsewhere(), Ok(false));
        let change = theirs.begin(Durability::Batched).unwrap();
        change.tables().keep(&account(1), &one_failure()).unwrap();
        change.commit().unwrap();
        assert_eq!(ours.was_changed_elsewhere(), Ok(true));
        assert_eq!(ours.was_changed_elsewhere(), Ok(false));
        assert_eq!(theirs.was_changed_elsewhere(), Ok(false));
    }

    #[test]
    fn an_account_is_told_from_another_of_its_name_by_the_millisecond() {
        let made = |after| {
            let name = mcp_identity::UserName::parse("Alice").unwrap();
            let hash = mcp_store::StoredHash::new("");
            AccountKey::of(&UserRecord::new(name, hash, SystemTime::UNIX_EPOCH + after))
        };
        assert_eq!(made(Duration::from_millis(1)), account(1));
        assert_ne!(made(Duration::from_millis(2)), account(1));
    }
}
