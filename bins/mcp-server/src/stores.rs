//! The credential stores that the configuration names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_auth::Auth;
use mcp_identity::Clock;
use mcp_store::{StoreError, StoreErrorKind, TokenStore as _};
use mcp_store_file::{TokenFile, TokenFileState};

use crate::fault::StartFault;
use crate::tasks::{Shutdown, Tasks};

/// Opens the token file: removes what has expired, says what it holds, and starts what keeps the
/// index and what watches the file.
pub(crate) async fn open_tokens(
    path: &Path,
    clock: Arc<dyn Clock>,
    tasks: &mut Tasks,
    shutdown: &Shutdown,
) -> Result<(Auth, TokenFileState), StartFault> {
    let store = Arc::new(TokenFile::open(path));
    let loaded = store.all().await.map_err(|fault| refuse(path, &fault))?;
    tracing::info!("Loaded {} API token(s) from {}", loaded.len(), path.display());
    match store.remove_expired(clock.now()).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!("Removed {removed} expired token(s)"),
        // An expired token is refused whether or not its record is gone: a file that cannot be
        // written (a mounted secret) is no reason not to serve.
        Err(fault) => tracing::warn!("Could not remove expired tokens: {fault}"),
    }
    let watch = store.watch().map_err(|fault| refuse(path, &fault))?;
    let (auth, keeper) = Auth::open(store, clock).await.map_err(|fault| refuse(path, &fault))?;
    tracing::info!("Watching {} for changes", path.display());
    let state = watch.state();
    tasks.start("token file watcher", watch.run(shutdown.clone().requested()));
    tasks.start("keeper", keeper.run(shutdown.clone().requested()));
    Ok((auth, state))
}

fn refuse(path: &Path, fault: &StoreError) -> StartFault {
    if fault.kind == StoreErrorKind::Missing {
        return StartFault::plain(format!(
            "ERROR: Token file not found: {}\nCreate tokens with: mcp-admin tokens add\nOr \
             disable authentication with: --no-auth\n",
            absolute(path).display()
        ));
    }
    StartFault::mendable(fault, fault.hint.clone())
}

/// The path as an operator can use it from anywhere.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
