//! Credentials in PostgreSQL: the database, its tables, and what lies in them.

use mcp_config::Config;
use mcp_store::{Account, AccountStore as _, TokenStore as _};
use mcp_store_postgres::{PostgresStore, TablesState, plain_to_elsewhere};

use super::Finding;
use crate::desk::Desk;
use crate::dsn;
use crate::output::Fault;
use crate::passwords;

const DATABASE: &str = "user database";
const TABLES: &str = "user tables";

pub(super) fn check(config: &Config, desk: &Desk) -> Vec<Finding> {
    let target = match dsn::target(&config.users) {
        Ok(target) => target,
        Err(fault) => return vec![Finding::failed(DATABASE, &fault)],
    };
    let mut findings = Vec::new();
    if let Some(host) = plain_to_elsewhere(&target) {
        let detail = format!("users and tokens travel to {host} unencrypted: sslmode=disable");
        findings.push(Finding::warn(DATABASE, detail).hint("sslmode=verify-full"));
    }
    match desk.wait(PostgresStore::look(target.clone())) {
        Err(error) => findings.push(Finding::failed(DATABASE, &dsn::fault(error))),
        Ok(state) => {
            // The address has its password masked.
            findings.push(Finding::ok(DATABASE, format!("{target} answers")));
            findings.extend(tables(state, desk));
        }
    }
    findings
}

fn tables(state: TablesState, desk: &Desk) -> Vec<Finding> {
    match state {
        TablesState::Ready => {}
        TablesState::Absent => {
            let detail = "they are not there; the login may make them";
            return vec![Finding::warn(TABLES, detail).hint("mcp-admin db init")];
        }
        TablesState::Foreseen => {
            let detail = "those of another system; they are migrated when the server starts";
            return vec![
                Finding::warn(TABLES, detail).hint("make a backup, then mcp-admin db init"),
            ];
        }
    }
    content(desk).unwrap_or_else(|fault| vec![Finding::failed(TABLES, &fault)])
}

/// Who can never log in, because no server looks at such a hash; the first few by name.
fn unusable_hashes(accounts: &[Account]) -> Vec<Finding> {
    let faults = passwords::unusable(accounts.iter().map(|account| &account.record));
    let more = faults.len().saturating_sub(passwords::MOST_NAMED);
    let named = faults.into_iter().take(passwords::MOST_NAMED);
    let mut findings: Vec<_> =
        named.map(|fault| Finding::warn(TABLES, fault.detail).hint(fault.hint)).collect();
    if more > 0 {
        let detail = format!("{more} more cannot log in either, by their password hashes");
        findings.push(Finding::warn(TABLES, detail).hint("mend these, and check again"));
    }
    findings
}

fn content(desk: &Desk) -> Result<Vec<Finding>, Fault> {
    let store = dsn::open(desk)?;
    let tokens = desk.wait(store.all())?;
    let accounts = desk.wait(store.accounts())?;
    let disabled = accounts.iter().filter(|account| !account.record.enabled).count();
    let detail =
        format!("{} user(s), {disabled} disabled; {} token(s)", accounts.len(), tokens.len());
    let mut findings = vec![Finding::ok(TABLES, detail)];
    findings.extend(unusable_hashes(&accounts));
    if !accounts.iter().any(|account| account.record.is_acting_admin()) {
        let hint = "mcp-admin users add NAME --role admin";
        findings.push(Finding::warn(TABLES, "nobody is admin").hint(hint));
    }
    Ok(findings)
}
