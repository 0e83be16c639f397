//! `users reset-link`: a link for a new password, to be handed over by hand.

use std::time::Duration;

use mcp_accounts::{MintRejection, mint_link};
use mcp_identity::{AuditAction, Subject, SystemEntropy};
use mcp_store::Whom;
use serde_json::json;

use crate::accounts;
use crate::desk::Desk;
use crate::output::Fault;
use crate::when;

/// Mints the link and prints it, once. Links that the account had before are void.
pub(super) fn reset_link(name: &str, desk: &Desk) -> Result<(), Fault> {
    let name = accounts::name(name)?;
    let config = desk.config()?;
    let minutes = config.password_reset.token_expiry_minutes.get();
    let life = Duration::from_secs(60 * u64::from(minutes));
    let store = accounts::open(desk)?;
    let (whom, url) = (Whom::User(name), config.http.public_url.as_str());
    let minting = mint_link(&*store, &SystemEntropy, whom, url, desk.now, life);
    let link = desk.wait(minting).map_err(|rejection| match rejection {
        MintRejection::NotFound => Fault::refused(rejection.to_string())
            .hint("mcp-admin users list shows who there is, and who is disabled"),
        MintRejection::Entropy(error) => Fault::from_failure(error),
        MintRejection::Store(error) => error.into(),
    })?;
    let user = &link.record.name;
    desk.record(AuditAction::MintLink, Subject::User(user.clone()));
    desk.output.progress(&format!(
        "This link sets the password of {user} once, within {minutes} minutes. It is shown here \
         and nowhere else.\n"
    ));
    let said = json!({
        "user": user.as_str(),
        "reset_link": link.expose(),
        "expires_at": when::rfc3339(link.expires_at),
    });
    desk.output.show(&format!("{}\n", link.expose()), &said)
}
