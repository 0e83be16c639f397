//! Where the database lies: its files made, looked at, and set aside.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use mcp_store::{StoreError, StoreErrorKind};

use super::trust::{look, trust};
use crate::access::{Managed, Owner, denied, effective_user};
use crate::fault::{WithHint as _, shown, system};
use crate::lock::WriteLock;
use crate::replace::{give_to, sweep, temporary};

const NAME: &str = "mcp-server-state.db";

/// What SQLite puts beside the file. It gives them the file's own mode and owner.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The database's place in its folder.
pub(super) struct Place {
    folder: PathBuf,
    path: PathBuf,
    managed: Managed,
}

impl Place {
    /// The place in that folder, which must exist. Links to it are followed once.
    pub(super) fn find(folder: &Path, managed: Managed) -> Result<Self, StoreError> {
        let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let found = fs::canonicalize(named).map_err(|error| denied(named, "find it", &error));
        let folder = found.map_err(|error| match error.kind {
            StoreErrorKind::Missing => error.hint("make the folder, as the user of the server"),
            StoreErrorKind::Refused | StoreErrorKind::Down | StoreErrorKind::NotDurable => error,
        })?;
        warn_of_a_network(&folder);
        Ok(Self { path: folder.join(NAME), folder, managed })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The right to make the file or to set it aside.
    pub(super) fn lock(&self) -> Result<WriteLock, StoreError> {
        let owner = match look(&self.path)? {
            Some(found) => {
                trust(&self.path, &found, self.managed)?;
                Owner::of(&found)
            }
            None => self.owner_of_new()?,
        };
        let lock = WriteLock::acquire(&self.path, owner)?;
        // What others left that were killed while they made the file, or its lock.
        sweep(&self.path, &self.folder);
        Ok(lock)
    }

    /// Makes the file if there is none, and refuses what may not be trusted.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        match look(&self.path)? {
            Some(found) => trust(&self.path, &found, self.managed)?,
            None => self.make()?,
        }
        for path in beside(&self.path) {
            if let Some(found) = look(&path)? {
                trust(&path, &found, self.managed)?;
            }
        }
        Ok(())
    }

    /// Gives a damaged file another name, and those beside it.
    pub(super) fn set_aside(&self, now: SystemTime) -> Result<(), StoreError> {
        let aside = self.vacant(now)?;
        let beside = beside(&self.path).into_iter().zip(beside(&aside));
        // The file itself at last: as long as it lies there, it is all done again.
        for (from, to) in beside.chain([(self.path.clone(), aside.clone())]) {
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(system(&from, "set it aside", &error));
                }
                _ => {}
            }
        }
        self.sync()?;
        let (file, kept) = (shown(&self.path), shown(&aside));
        tracing::error!(
            file = %file,
            kept = %kept,
            "[AUTH] The state database is damaged and was set aside: everybody is signed out, \
             failed logins and locks are forgotten"
        );
        Ok(())
    }

    /// An empty file: what SQLite takes for a new database. It gets its name when it is what it
    /// must be, and is closed by then: closing a file gives up SQLite's locks on it.
    fn make(&self) -> Result<(), StoreError> {
        let owner = self.owner_of_new()?;
        let made = temporary(&self.path, &self.folder).map_err(|fault| match self.managed {
            Managed::ForItsOwner => fault,
            Managed::ForUs => fault.hint("name a folder that it may write in state.directory"),
        })?;
        let finished = give_to(made.as_file(), owner).and_then(|()| made.as_file().sync_all());
        finished.map_err(|error| system(&self.path, "create it", &error))?;
        let named = made.into_temp_path().persist_noclobber(&self.path);
        named.map_err(|error| system(&self.path, "create it", &error.error))?;
        self.sync()
    }

    /// To whom a new file belongs: root's tool makes it for the owner of the folder.
    fn owner_of_new(&self) -> Result<Owner, StoreError> {
        let folder = fs::metadata(&self.folder);
        let folder = folder.map_err(|error| system(&self.folder, "look at it", &error))?;
        let group = Owner::of(&folder).group;
        match (self.managed, effective_user()) {
            (Managed::ForItsOwner, 0) => Ok(Owner::of(&folder)),
            (_, user) => Ok(Owner { user, group }),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| system(&self.folder, "make a change in it last", &error))
    }

    /// A name that nothing has yet.
    fn vacant(&self, now: SystemTime) -> Result<PathBuf, StoreError> {
        let time = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = time.strftime("%Y%m%dT%H%M%SZ");
        let names = (0..u32::MAX).map(|number| match number {
            0 => with_suffix(&self.path, &format!(".damaged-{time}")),
            number => with_suffix(&self.path, &format!(".damaged-{time}.{number}")),
        });
        for name in names {
            if look(&name)?.is_none() {
                return Ok(name);
            }
        }
        Err(system(&self.path, "set it aside", &io::ErrorKind::AlreadyExists.into()))
    }
}

fn beside(path: &Path) -> [PathBuf; 3] {
    BESIDE.map(|suffix| with_suffix(path, suffix))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Locks and shared memory do not reach across a network (sqlite.org/wal.html).
#[cfg(target_os = "linux")]
fn warn_of_a_network(folder: &Path) {
    /// NFS, CIFS, SMB 2, AFS, Ceph, 9P: statfs(2).
    const NETWORKS: [u32; 6] =
        [0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x5346_414F, 0x00C3_6400, 0x0102_1997];
    let Ok(found) = rustix::fs::statfs(folder) else { return };
    // The kernel's numbers have 32 bits, in whatever type they come.
    if NETWORKS.iter().any(|network| i128::from(*network) == i128::from(found.f_type)) {
        let folder = shown(folder);
        tracing::warn!(
            folder = %folder,
            "state.directory is on a network file system: no more than one server may use it, and \
             its state may get damaged"
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn warn_of_a_network(_: &Path) {}
