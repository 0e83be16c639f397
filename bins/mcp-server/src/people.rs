//! What people with accounts meet: the tool for strangers, and REST under `/auth`.

use std::sync::Arc;

use mcp_accounts::{AccountService, Settings};
use mcp_accounts_http::AccountsHttp;
use mcp_auth::{Accounts, Auth};
use mcp_config::Config;
use mcp_identity::{Clock, Entropy};
use mcp_password::{Policy, Preset};
use mcp_transport::{ResponseBody, Threshold};

use crate::authenticate_user;
use crate::compose::implementation;
use crate::fault::StartFault;
use crate::stores::Record;

/// What answers people with accounts.
pub(crate) struct People {
    /// What a stranger reaches on the MCP path.
    pub(crate) threshold: Threshold,
    /// Everything under `/auth`.
    pub(crate) rest: AccountsHttp<ResponseBody>,
}

/// What records, tells the time and makes random bytes.
type Around = (Record, Arc<dyn Clock>, Arc<dyn Entropy>);

/// Serves the accounts that `auth` judges.
pub(crate) fn serve(
    config: &Config,
    auth: &Auth,
    accounts: Accounts,
    around: Around,
) -> Result<People, StartFault> {
    let (Record { log: audit, events }, clock, entropy) = around;
    let Accounts { store, hasher, .. } = accounts;
    let preset: Preset = config.passwords.policy.as_str().parse().map_err(StartFault::ours)?;
    let settings = Settings {
        registration: config.http.auth.public_registration,
        policy: Policy::new(preset, hasher.algorithm()),
    };
    if settings.registration {
        tracing::info!("Registration is on: strangers may make accounts");
    }
    let (auth_of_tool, auth_of_rest, clock_of_rest) =
        (auth.clone(), auth.clone(), Arc::clone(&clock));
    let auth = auth.clone();
    let parts = mcp_accounts::Parts { store, auth, hasher, audit, events, clock, entropy };
    let service = AccountService::new(parts, settings).map_err(StartFault::ours)?;
    Ok(People {
        threshold: authenticate_user::threshold(auth_of_tool, implementation()),
        rest: AccountsHttp::new(Arc::new(service), auth_of_rest, &clock_of_rest),
    })
}
