//! What a connection is told about its principal before anything runs on it.

use std::time::Duration;

use mcp_connect::SessionSettings;
use mcp_identity::{Principal, RoleName};

use crate::database::DatabaseSettings;

/// The longest `application_name`, in bytes: PostgreSQL cuts at 63.
const APPLICATION_NAME_MAX: usize = 63;

/// May this principal write on that database? Not behind `SET ROLE`: what a login changed to, a
/// statement that writes can leave again.
pub(crate) fn may_write(principal: &Principal, database: &DatabaseSettings) -> bool {
    let own_login = principal.grants.db_role.is_none();
    own_login && takes_writes(database) && principal.grants.may_write()
}

/// Does that database take writes from anybody?
pub(crate) fn takes_writes(database: &DatabaseSettings) -> bool {
    database.allow_writes && database.db_role.is_none()
}

/// The session of one principal on one database.
pub(crate) fn session(principal: &Principal, database: &DatabaseSettings) -> SessionSettings {
    let id = principal.id.to_string();
    let roles: Vec<_> = principal.grants.roles.iter().map(RoleName::as_str).collect();
    let user = principal.user.as_ref().map(|user| user.as_str().to_owned()).unwrap_or_default();
    let writes = may_write(principal, database);
    let role = principal.grants.db_role.as_ref().or(database.db_role.as_ref());
    let settings = [
        // In the start-up packet too: what a connection is before the first transaction.
        ("default_transaction_read_only", if writes { "off" } else { "on" }.to_owned()),
        ("statement_timeout", milliseconds(database.statement_timeout)),
        ("lock_timeout", milliseconds(database.lock_timeout)),
        // A transaction never waits for its client here; one that does has lost it.
        ("idle_in_transaction_session_timeout", milliseconds(database.statement_timeout)),
        // Results are text: these decide how values are written.
        ("DateStyle", "ISO, YMD".to_owned()),
        ("IntervalStyle", "postgres".to_owned()),
        ("TimeZone", "UTC".to_owned()),
        ("lc_monetary", "C".to_owned()),
        ("bytea_output", "hex".to_owned()),
        ("extra_float_digits", "1".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        // For row-level security policies; defence in depth, not a wall.
        ("mcp.principal", id.clone()),
        // Empty where no user stands behind the credential, so that a policy can always read it.
        ("mcp.username", user),
        ("mcp.roles", roles.join(",")),
    ];
    SessionSettings {
        application_name: application_name(&id),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        role: role.map(|role| role.as_str().to_owned()),
    }
}

fn application_name(id: &str) -> String {
    let mut name = format!("mcp-server/{id}");
    // Ids are ASCII, so this cuts between characters.
    name.truncate(APPLICATION_NAME_MAX);
    name
}

/// PostgreSQL's unit of timeouts. Never 0, which would mean "no timeout".
fn milliseconds(time: Duration) -> String {
    time.as_millis().max(1).to_string()
}
