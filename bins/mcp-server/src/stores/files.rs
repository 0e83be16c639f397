//! The files of one server: tokens, accounts, and what is kept of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_config::{Config, Loaded, Origin};
use mcp_store::{AccountStore as _, StoreError, StoreErrorKind, TokenStore as _};
use mcp_store_file::{FileAccounts, FileAccountsSettings, FileState, ServerHold, TokenFile};

use super::{Stores, Surroundings, accounts_in, open_audit, refuse, remove_expired};
use crate::fault::StartFault;
use crate::health::StoreState;

/// Opens them, says what they hold, and starts what watches them.
pub(super) async fn open(
    loaded: &Loaded,
    around: &mut Surroundings<'_>,
) -> Result<Stores, StartFault> {
    let record = open_audit(loaded, around)?;
    let accounts = open_accounts(loaded, around).await?;
    let (tokens, tokens_state) = open_tokens(&loaded.config, accounts.is_some(), around).await?;
    let mut states = vec![StoreState::File(tokens_state)];
    let accounts = match accounts {
        None => None,
        Some((store, state)) => {
            states.push(StoreState::File(state));
            Some(accounts_in(store, &loaded.config, around).await?)
        }
    };
    let (common, stands_in) = (None, None);
    Ok(Stores { tokens, accounts, common, record, states, stands_in, can_be_read: true })
}

async fn open_tokens(
    config: &Config,
    has_accounts: bool,
    around: &mut Surroundings<'_>,
) -> Result<(Arc<TokenFile>, FileState), StartFault> {
    let path = &config.http.auth.token_file;
    let store = TokenFile::open(path);
    // Where people can log in, nobody needs a token; one may be made any time.
    let store = Arc::new(if has_accounts { store.may_be_missing() } else { store });
    // First: who asks for the tokens from here on is given what the watch has read.
    let watch = store.watch().map_err(|fault| refuse_tokens(path, &fault))?;
    let loaded = store.all().await.map_err(|fault| refuse_tokens(path, &fault))?;
    tracing::info!("Loaded {} API token(s) from {}", loaded.len(), path.display());
    let now = around.clock.now();
    // Not asked when there are none: to look, it reads the whole file again.
    if loaded.iter().any(|record| record.is_expired(now)) {
        remove_expired(&*store, now).await;
    }
    tracing::info!("Watching {} for changes", path.display());
    let state = watch.state();
    // A reload lets the whole file of before go.
    around.tasks.start_apart("token file watcher", watch.run(around.shutdown.clone().requested()));
    Ok((store, state))
}

/// People have accounts where a file for them is named or lies in its place.
async fn open_accounts(
    loaded: &Loaded,
    around: &mut Surroundings<'_>,
) -> Result<Option<(Arc<FileAccounts>, FileState)>, StartFault> {
    let config = &loaded.config;
    let path = &config.http.auth.user_file;
    let named = loaded.origins.get("http.auth.user_file");
    if named.is_none_or(|origin| *origin == Origin::Default) && !path.exists() {
        return Ok(None);
    }
    // The places of attempts in flight are in the memory of one process: two would let twice as
    // many guesses pass.
    let hold = ServerHold::take(&config.state.directory).map_err(|fault| refuse(&fault))?;
    let settings = FileAccountsSettings::new(path, &config.state.directory);
    let store = FileAccounts::open(settings, around.clock.now()).map_err(|fault| refuse(&fault))?;
    let watch = store.watch().map_err(|fault| refuse(&fault))?;
    let users = store.accounts().await.map_err(|fault| refuse(&fault))?;
    tracing::info!("Loaded {} user(s) from {}", users.len(), path.display());
    tracing::info!("Watching {} for changes", path.display());
    let state = watch.state();
    around.tasks.start_apart("user file watcher", watch.run(around.shutdown.clone().requested()));
    let store = Arc::new(store);
    let closing = Arc::clone(&store);
    // What the others note when they end is still written.
    around.tasks.at_last(async move {
        closing.close().await;
        drop(hold);
    });
    Ok(Some((store, state)))
}

fn refuse_tokens(path: &Path, fault: &StoreError) -> StartFault {
    if fault.kind == StoreErrorKind::Missing {
        return StartFault::plain(format!(
            "ERROR: Token file not found: {}\nCreate tokens with: mcp-admin tokens add\nOr \
             disable authentication with: --no-auth\n",
            absolute(path).display()
        ));
    }
    refuse(fault)
}

/// The path as an operator can use it from anywhere.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
