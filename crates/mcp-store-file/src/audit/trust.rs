//! Opening a file of the log: only one that nobody else reads or writes, and never by a link.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use mcp_store::StoreError;
use rustix::fs::OFlags;

use crate::access::{Managed, Owner, denied, effective_user, name_of};
use crate::fault::{WithHint as _, refused, shown, system};
use crate::replace::{folder_of, give_to, sweep, temporary};

/// Everybody but the owner: permission bits that a file of the log must not have.
const OTHERS: u32 = 0o077;

/// Opens the file for appending, and reading its end; `None` if there is none.
pub(super) fn open(path: &Path, managed: Managed) -> Result<Option<File>, StoreError> {
    let file = match options().open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_link(path) => return Ok(None),
        Err(_) if is_link(path) => return Err(link(path)),
        Err(error) => return Err(denied(path, "open it", &error)),
    };
    let metadata = file.metadata().map_err(|error| system(path, "look at it", &error))?;
    trust(path, &metadata, managed)?;
    Ok(Some(file))
}

/// Opens a file of the log for reading, whoever owns it; `None` if there is none.
pub(super) fn open_to_read(path: &Path) -> Result<Option<File>, StoreError> {
    let file = match OpenOptions::new().read(true).custom_flags(flags()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if is_link(path) => return Err(link(path)),
        Err(error) => return Err(denied(path, "open it", &error)),
    };
    let metadata = file.metadata().map_err(|error| system(path, "look at it", &error))?;
    if metadata.is_file() { Ok(Some(file)) } else { Err(irregular(path)) }
}

/// Creates the file, durably and 0600 whatever the umask; `None` if somebody else just did.
/// Root's tool gives it to `owner`, or to the owner of the folder, before it has its name: one
/// that was left half-made would shut its owner out.
pub(super) fn create(
    path: &Path,
    managed: Managed,
    owner: Option<Owner>,
) -> Result<Option<File>, StoreError> {
    use io::ErrorKind::{AlreadyExists, NotFound};

    let folder = folder_of(path);
    sweep(path, &folder);
    let made = temporary(path, &folder)?;
    let lasting = |error| system(path, "make it last", &error);
    if managed == Managed::ForItsOwner {
        let of_folder = || fs::metadata(&folder).map(|folder| Owner::of(&folder));
        let owner = owner.map_or_else(of_folder, Ok).map_err(lasting)?;
        give_to(made.as_file(), owner).map_err(lasting)?;
    }
    match made.persist_noclobber(path) {
        Ok(_) => {}
        // Somebody else was faster, and sweeps files like ours.
        Err(failed) if matches!(failed.error.kind(), AlreadyExists | NotFound) => return Ok(None),
        Err(failed) => return Err(denied(path, "create it", &failed.error)),
    }
    if let Err(error) = File::open(&folder).and_then(|folder| folder.sync_all()) {
        // Empty: nothing is lost with it.
        let _ = fs::remove_file(path);
        return Err(lasting(error));
    }
    // By its name, to append: what is appended goes to whatever file has the name.
    open(path, managed)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).custom_flags(flags());
    options
}

/// No link is followed, and a named pipe is refused instead of waited for.
fn flags() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed()
}

fn trust(path: &Path, metadata: &Metadata, managed: Managed) -> Result<(), StoreError> {
    // A second name would have root append to a file that lies elsewhere.
    if !metadata.is_file() || metadata.nlink() > 1 {
        return Err(irregular(path));
    }
    let (us, owner) = (effective_user(), metadata.uid());
    let for_its_owner = us == 0 && managed == Managed::ForItsOwner;
    if owner != us && owner != 0 && !for_its_owner {
        let fault = format!("{} owns it: whoever owns it can rewrite it", name_of(owner));
        let hint = format!("chown {} {}", name_of(us), shown(path));
        return Err(refused(shown(path), fault).hint(hint));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let fault = format!("its mode is {mode:04o}: others than its owner have a right to it");
    Err(refused(shown(path), fault).hint(format!("chmod 600 {}", shown(path))))
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn link(path: &Path) -> StoreError {
    refused(shown(path), "it is a link").hint("name the file itself in audit.file")
}

fn irregular(path: &Path) -> StoreError {
    refused(shown(path), "it is not a regular file with one name").hint("move it away")
}
