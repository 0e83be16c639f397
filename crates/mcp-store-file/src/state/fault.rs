//! The words of a failure of SQLite. Parameters are bound, so none of them is in its messages.

use std::path::Path;

use mcp_store::StoreError;
use rusqlite::{Error, ErrorCode};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use crate::fault::{WithHint as _, down, refused, shown};
use crate::replace::folder_of;

/// The database refused `doing` something.
pub(super) fn fault(path: &Path, doing: &str, error: &Error) -> StoreError {
    if is_damage(error) {
        return damaged(path)
            .hint("restart mcp-server: it sets the file aside and begins a new one");
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            down(path, "another process has been changing it for 5 s")
                .hint("try again when it is done")
        }
        // SQLite says the same of a disk that fails.
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen)
            if is_forbidden(path) =>
        {
            refused(shown(path), format!("cannot {doing}: {error}"))
        }
        _ => down(path, format!("cannot {doing}: {error}")),
    }
}

/// Is the file not what SQLite wrote?
pub(super) fn is_damage(error: &Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Are we kept from the file, or from its folder, where SQLite puts its log? Asks, and opens
/// nothing: closing the file would give up SQLite's locks on it.
fn is_forbidden(path: &Path) -> bool {
    let folder = folder_of(path);
    let places = [(path, Access::empty()), (folder.as_path(), Access::EXEC_OK)];
    places.into_iter().any(|(place, more)| {
        let wanted = Access::READ_OK | Access::WRITE_OK | more;
        let asked = accessat(CWD, place, wanted, AtFlags::EACCESS);
        matches!(asked, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    })
}

pub(super) fn damaged(path: &Path) -> StoreError {
    down(path, "the state database is damaged")
}

#[cfg(test)]
mod tests {
    use mcp_store::StoreErrorKind;
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_disk_that_fails_is_no_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        std::fs::write(&path, "").unwrap();
        for code in [ffi::SQLITE_CANTOPEN, ffi::SQLITE_READONLY, ffi::SQLITE_IOERR] {
            let error = Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(fault(&path, "open it", &error).kind, StoreErrorKind::Down);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_may_not_be_written_is_refused() {
        // Root may write everything, but for what the kernel keeps.
        let file = if rustix::process::geteuid().is_root() { "/proc/sys" } else { "/etc/passwd" };
        let error = Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY), None);
        assert_eq!(fault(Path::new(file), "open it", &error).kind, StoreErrorKind::Refused);
    }
}
