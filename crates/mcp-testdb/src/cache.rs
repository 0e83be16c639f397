//! The cached template, and the directories of the instances beside it.
//!
//! ```text
//! <cache>/lock                     held while anything below is made or swept
//! <cache>/template-<version>-<uid> a fresh data directory, never started
//! <cache>/building-XXXXXX          a template in the making; what is found there is left over
//! <cache>/run-XXXXXX/              one instance: data/, s/ (the socket), log, tls files
//! <cache>/run-XXXXXX.lock          held by the process that owns the instance
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::Error;

/// A directory of one instance, removed with the value.
pub(crate) struct InstanceDir {
    path: PathBuf,
    lock_path: PathBuf,
    // Held for as long as we live; the system lets go of it however we end.
    _lock: File,
}

impl InstanceDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for InstanceDir {
    fn drop(&mut self) {
        // What stays behind is swept by the next instance, once our lock is gone.
        let _ = fs::remove_dir_all(&self.path);
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// A new instance directory with a copy of the template in `data`.
pub(crate) fn instantiate(
    cache: &Path,
    binaries: &Binaries,
    account: Account,
) -> Result<InstanceDir, Error> {
    prepare(cache)?;
    let lock_path = cache.join("lock");
    let lock = File::create(&lock_path).map_err(Error::file(&lock_path))?;
    lock.lock().map_err(Error::file(&lock_path))?;
    sweep(cache);
    let template = template(cache, binaries, account)?;
    let instance = claim(cache)?;
    drop(lock);
    account.give(instance.path())?;
    copy_tree(&template, &instance.path().join("data"), account)?;
    Ok(instance)
}

/// A new instance directory without data.
pub(crate) fn claim_empty(cache: &Path, account: Account) -> Result<InstanceDir, Error> {
    let lock_path = cache.join("lock");
    let lock = File::create(&lock_path).map_err(Error::file(&lock_path))?;
    lock.lock().map_err(Error::file(&lock_path))?;
    let instance = claim(cache)?;
    drop(lock);
    account.give(instance.path())?;
    Ok(instance)
}

/// Makes the cache directory, or checks that nobody else could have put anything into it.
fn prepare(cache: &Path) -> Result<(), Error> {
    // The account that PostgreSQL runs as must be able to pass through it.
    let made = DirBuilder::new().recursive(true).mode(0o755).create(cache);
    made.map_err(Error::file(cache))?;
    let found = fs::symlink_metadata(cache).map_err(Error::file(cache))?;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if !found.is_dir() || !ours || found.mode() & 0o022 != 0 {
        return Err(Error::UntrustedCache { path: cache.to_owned() });
    }
    Ok(())
}

/// Removes what processes that were killed left behind. Must hold the cache's lock.
fn sweep(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("building-") {
            let _ = fs::remove_dir_all(entry.path());
        } else if let Some(run) = name.strip_suffix(".lock") {
            let free = File::open(entry.path()).is_ok_and(|lock| lock.try_lock().is_ok());
            if free {
                let _ = fs::remove_dir_all(cache.join(run));
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// A new, locked, empty instance directory. Must hold the cache's lock, or a sweep could come
/// between the file and its lock.
fn claim(cache: &Path) -> Result<InstanceDir, Error> {
    let kept = tempfile::Builder::new()
        .prefix("run-")
        .suffix(".lock")
        .tempfile_in(cache)
        .and_then(|file| file.keep().map_err(io::Error::from));
    let (lock, lock_path) = kept.map_err(Error::file(cache))?;
    lock.lock().map_err(Error::file(&lock_path))?;
    let path = lock_path.with_extension("");
    DirBuilder::new().mode(0o700).create(&path).map_err(Error::file(&path))?;
    Ok(InstanceDir { path, lock_path, _lock: lock })
}

/// The template of this version for this account, made if it is not there. Must hold the
/// cache's lock; it appears by a rename, so that it is whole or absent.
fn template(cache: &Path, binaries: &Binaries, account: Account) -> Result<PathBuf, Error> {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    let version: String = binaries.version().chars().map(safe).collect();
    let template = cache.join(format!("template-{version}-{}", account.uid()));
    if template.is_dir() {
        return Ok(template);
    }
    let building = tempfile::Builder::new()
        .prefix("building-")
        .tempdir_in(cache)
        .map_err(Error::file(cache))?;
    account.give(building.path())?;
    let data = building.path().join("data");
    initdb(&data, binaries, account)?;
    fs::rename(&data, &template).map_err(Error::file(&template))?;
    Ok(template)
}

fn initdb(data: &Path, binaries: &Binaries, account: Account) -> Result<(), Error> {
    let output = account
        .command(binaries, binaries.program("initdb").as_os_str())
        .arg("--pgdata")
        .arg(data)
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"])
        // The smallest WAL segment: a template of 24 MB in place of 40.
        .args(["--wal-segsize=1", "--no-sync"])
        .stdin(Stdio::null())
        .output()
        .map_err(Error::file(&binaries.program("initdb")))?;
    if output.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Program { program: "initdb", output })
}

/// Copies directories and files with their modes; the copies belong to the account. Files share
/// their blocks with the template where the file system can.
fn copy_tree(from: &Path, to: &Path, account: Account) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).create(to).map_err(Error::file(to))?;
    account.give(to)?;
    for entry in fs::read_dir(from).map_err(Error::file(from))? {
        let entry = entry.map_err(Error::file(from))?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type().map_err(Error::file(from))?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target, account)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).map_err(Error::file(&target))?;
            account.give(&target)?;
        } else {
            // initdb makes none; followed as root, one would give away what it points to.
            return Err(Error::UntrustedCache { path: entry.path() });
        }
    }
    Ok(())
}

/// Puts a private copy of a file where only the account can read it.
pub(crate) fn copy_private(from: &Path, to: &Path, account: Account) -> Result<(), Error> {
    fs::copy(from, to).map_err(Error::file(from))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o600)).map_err(Error::file(to))?;
    account.give(to)
}
