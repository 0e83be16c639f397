//! The words of a failure of SQLite. Parameters are bound, so none of them is in its messages.

use std::path::Path;

use mcp_store::StoreError;
use rusqlite::{Error, ErrorCode};

use crate::fault::{WithHint as _, down, refused, shown};

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
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
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

pub(super) fn damaged(path: &Path) -> StoreError {
    down(path, "the state database is damaged")
}
