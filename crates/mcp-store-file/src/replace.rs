//! A file replaced as a whole: at every instant the old one or the new one lies there.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mcp_store::{StoreError, StoreErrorKind};
use rustix::fs::{Dir, Gid, Uid};

use crate::access::{Owner, denied, effective_user};
use crate::fault::{WithHint as _, system};

const SUFFIX: &str = ".tmp";

/// Puts `text` in the place of `path`, durably, mode 0600, owned by `owner`. The caller holds
/// the write lock of `path`.
///
/// An error of kind `NotDurable` means that the new file lies there but may not survive a power
/// cut; after any other error the old file is untouched and nothing else is left behind.
pub(crate) fn replace(path: &Path, text: &str, owner: Owner) -> Result<(), StoreError> {
    let folder = folder_of(path);
    sweep(path, &folder);
    let temporary = prepare(path, &folder, text, owner)?;
    // Opened before the rename: afterwards a failure could no longer be taken back.
    let directory = File::open(&folder).map_err(|error| system(&folder, "open it", &error))?;
    let renamed = temporary.persist(path);
    renamed.map_err(|error| system(path, "replace it", &error.error))?;
    directory.sync_all().map_err(|error| {
        let mut fault = system(path, "make sure that it is on disk", &error);
        fault.kind = StoreErrorKind::NotDurable;
        fault.fault = format!("the change is in the file but perhaps not on disk: {error}");
        fault
    })
}

/// The folder that holds `path`; a bare name lies in the current one.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// As root, hands a new file to whom it belongs; as anybody else it is ours already.
pub(crate) fn give_to(file: &File, owner: Owner) -> io::Result<()> {
    if effective_user() != 0 {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(owner.user), Gid::from_raw(owner.group));
    Ok(rustix::fs::fchown(file, Some(user), Some(group))?)
}

fn prepare(
    path: &Path,
    folder: &Path,
    text: &str,
    owner: Owner,
) -> Result<tempfile::NamedTempFile, StoreError> {
    let mut temporary = temporary(path, folder)?;
    let written = (|| {
        temporary.write_all(text.as_bytes())?;
        give_to(temporary.as_file(), owner)?;
        temporary.as_file().sync_all()
    })();
    match written {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let fault = system(path, "write it anew", &error);
            Err(fault.hint("the file is as it was before"))
        }
    }
}

/// An empty file beside `path` that nobody else may read, whatever the umask. One that is left
/// behind is swept by the next writer.
pub(crate) fn temporary(path: &Path, folder: &Path) -> Result<tempfile::NamedTempFile, StoreError> {
    // tempfile creates with O_EXCL; the mode holds from the first byte.
    let private = Permissions::from_mode(0o600);
    let temporary = tempfile::Builder::new()
        .prefix(&prefix_of(path))
        .suffix(SUFFIX)
        .permissions(private.clone())
        .tempfile_in(folder)
        .map_err(|error| denied(folder, "create a file in it", &error))?;
    let made = temporary.as_file().set_permissions(private);
    made.map_err(|error| system(folder, "create a file in it", &error))?;
    Ok(temporary)
}

/// Removes what a writer left that was killed before its rename. Under the write lock no other
/// writer is under way; without it, who loses a file that way finds that it is gone. A file that
/// cannot be removed does no harm.
pub(crate) fn sweep(path: &Path, folder: &Path) {
    let prefix = prefix_of(path);
    let Ok(names) = names_in(folder) else { return };
    for name in names.map_while(Result::ok) {
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(prefix.as_encoded_bytes()) && bytes.ends_with(SUFFIX.as_bytes()) {
            let _ = fs::remove_file(folder.join(name));
        }
    }
}

/// The names in a folder, `.` and `..` among them. Not read by the standard library, which panics
/// when the folder cannot be closed afterwards (an I/O error of a network file system): what was
/// read is none the worse for that.
pub(crate) fn names_in(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
    let names = Dir::new(File::open(folder)?)?;
    Ok(names.map(|entry| Ok(OsString::from_vec(entry?.file_name().to_bytes().to_vec()))))
}

fn prefix_of(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    prefix
}
