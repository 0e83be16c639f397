//! One writer at a time, and one server on a folder of state, across processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcp_store::StoreError;
#[cfg(feature = "state")]
use mcp_store::StoreErrorKind;
use rustix::fs::OFlags;

#[cfg(feature = "state")]
use crate::access::effective_user;
use crate::access::{Owner, denied};
use crate::fault::{WithHint as _, down, refused, shown, system};
#[cfg(feature = "state")]
use crate::replace::sweep;
use crate::replace::{folder_of, give_to, temporary};

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(50);

/// The right to rewrite a file; given back when dropped. The lock file itself stays: removing
/// it would let two writers hold locks on two files of one name.
#[derive(Debug)]
pub(crate) struct WriteLock {
    _held: File,
}

impl WriteLock {
    /// Waits up to 10 s for the right to rewrite `file`. Blocks the thread.
    pub(crate) fn acquire(file: &Path, owner: Owner) -> Result<Self, StoreError> {
        let path = path_of(file);
        let mut lock = open(file, &path, owner)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(system(&path, "lock it", &error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(busy(file, &mut lock));
                }
                Err(TryLockError::WouldBlock) => std::thread::park_timeout(PAUSE),
            }
        }
        sign(&mut lock).map_err(|error| system(&path, "write to it", &error))?;
        Ok(Self { _held: lock })
    }
}

/// The right to be the one server on a folder of state; given back when dropped, and by the system
/// when the process ends in whatever way. An operator's tool does not ask for it.
///
/// ```
/// use mcp_store_file::ServerHold;
///
/// let folder = tempfile::tempdir()?;
/// let first = ServerHold::take(folder.path())?;
/// assert!(ServerHold::take(folder.path()).is_err());
/// drop(first);
/// assert!(ServerHold::take(folder.path()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "state")]
#[derive(Debug)]
#[must_use = "dropped, it lets another server begin"]
pub struct ServerHold {
    _held: File,
}

#[cfg(feature = "state")]
impl ServerHold {
    /// What is locked, and says who holds it. It stays, as every lock file does.
    const NAME: &str = "mcp-server.lock";

    /// Takes the right, and does not wait for it: two servers on one folder are a mistake.
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`] if another server has it, or if the lock file is none or is
    /// somebody else's; [`StoreErrorKind::Missing`] without the folder; else
    /// [`StoreErrorKind::Down`].
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let (found, path) = (folder.metadata(), folder.join(Self::NAME));
        let found = found.map_err(|error| match system(folder, "find it", &error) {
            fault if fault.kind == StoreErrorKind::Missing => {
                fault.hint("make the folder, as the user of the server")
            }
            fault => fault,
        })?;
        let owner = Owner { user: effective_user(), group: found.gid() };
        let mut lock = open(&path, &path, owner).map_err(|fault| {
            let of_the_folder = fault.place == shown(folder);
            if of_the_folder {
                fault.hint("name a folder that it may write in state.directory")
            } else {
                fault
            }
        })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(system(&path, "lock it", &error)),
            Err(TryLockError::WouldBlock) => {
                let fault = format!("{} is a server that keeps its state here", holder(&mut lock));
                return Err(refused(shown(folder), fault)
                    .hint("stop that one, or name another folder in state.directory"));
            }
        }
        sign(&mut lock).map_err(|error| system(&path, "write to it", &error))?;
        // What one left that was killed while it made the file.
        sweep(&path, folder);
        Ok(Self { _held: lock })
    }
}

fn path_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn open(file: &Path, path: &Path, owner: Owner) -> Result<File, StoreError> {
    // A link in place of the lock file would have root write elsewhere.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(flags);
    let lock = match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            make(file, path, owner)?;
            options.open(path)
        }
        opened => opened,
    };
    let lock = lock.map_err(|error| denied(path, "open it", &error))?;
    // One that root made for somebody else, in whatever way, is handed over now.
    give_to(&lock, owner).map_err(|error| system(path, "give it to its owner", &error))?;
    let metadata = lock.metadata().map_err(|error| system(path, "look at it", &error))?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Err(refused(shown(path), "it is not a lock file").hint("remove it"));
    }
    Ok(lock)
}

/// Makes the lock file, of the right owner from the first moment at which it has its name: one of
/// root's that was left half-made would shut the owner out. Another writer may be faster.
fn make(file: &Path, path: &Path, owner: Owner) -> Result<(), StoreError> {
    use std::io::ErrorKind::{AlreadyExists, NotFound};

    let folder = folder_of(path);
    let temporary = temporary(file, &folder)?;
    give_to(temporary.as_file(), owner)
        .map_err(|error| system(path, "give it to its owner", &error))?;
    match temporary.persist_noclobber(path) {
        Ok(_) => Ok(()),
        // Another writer was faster; one that holds the lock by now sweeps files like ours.
        Err(failed) if matches!(failed.error.kind(), AlreadyExists | NotFound) => Ok(()),
        Err(failed) => Err(denied(path, "create it", &failed.error)),
    }
}

/// Leaves our process id, for whoever waits in vain.
fn sign(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

/// Who signed it.
fn holder(lock: &mut File) -> String {
    let mut holder = String::new();
    // Unreadable or not yet signed: the sentence does without.
    let _ = lock.take(20).read_to_string(&mut holder);
    match holder.trim().parse::<u32>() {
        Ok(process) => format!("process {process}"),
        Err(_) => "another process".to_owned(),
    }
}

fn busy(file: &Path, lock: &mut File) -> StoreError {
    let holder = holder(lock);
    down(file, format!("{holder} has been writing it for 10 s")).hint("try again when it is done")
}
