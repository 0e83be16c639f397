//! Whose the files of the database are, and who has a right to them.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mcp_store::StoreError;

use crate::access::{Managed, denied, effective_user, may_write, name_of};
use crate::fault::{WithHint as _, refused, shown};

/// Everybody but the owner: permission bits that no file of the database must have.
const OTHERS: u32 = 0o077;

/// Looks at what lies at `path`, without opening it or following a link.
pub(super) fn look(path: &Path) -> Result<Option<Metadata>, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(denied(path, "look at it", &error)),
    }
}

/// Refuses a file that somebody else could have written or can read.
pub(super) fn trust(path: &Path, found: &Metadata, managed: Managed) -> Result<(), StoreError> {
    // A second name would have root write to a file that lies elsewhere.
    if !found.is_file() || found.nlink() > 1 {
        return Err(
            refused(shown(path), "it is not a regular file with one name").hint("move it away")
        );
    }
    let (us, owner) = (effective_user(), found.uid());
    may_write(path, owner)?;
    if owner != us && managed == Managed::ForUs {
        let fault = format!("{} owns it: whoever owns it opens sessions", name_of(owner));
        let hint = format!("chown {} {}", name_of(us), shown(path));
        return Err(refused(shown(path), fault).hint(hint));
    }
    let mode = found.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let fault = format!("its mode is {mode:04o}: others than its owner have a right to it");
    Err(refused(shown(path), fault).hint(format!("chmod 600 {}", shown(path))))
}
