//! The files of credentials, and what the server keeps for itself.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use mcp_config::Config;
use mcp_identity::DatabaseName;
use mcp_store::{StoreErrorKind, TokenRecord};
use mcp_store_file::{AuditFilter, AuditReader, KeptUser, TokenFile};
use rustix::fs::{Access, access};

use super::Finding;
use crate::accounts;
use crate::desk::Desk;
use crate::operator::user_name;
use crate::passwords;

const TOKENS: &str = "token file";
const USERS: &str = "users file";
const FOLDER: &str = "state directory";
const STATE: &str = "state database";
const AUDIT: &str = "audit log";

/// How much of the audit log is read.
const RECENT: Duration = Duration::from_hours(1);

pub(super) fn check(config: &Config, desk: &Desk) -> Vec<Finding> {
    let (tokens, has_tokens) = tokens(config, desk);
    let (users, has_users) = users(config, desk);
    let mut findings: Vec<Finding> = tokens.into_iter().chain(users).collect();
    if config.http.auth.enabled && !has_tokens && !has_users {
        let detail = "there is neither a token file nor a users file: nobody could be let in";
        findings.push(
            Finding::fail("credentials", detail)
                .hint("mcp-admin users add, or mcp-admin tokens add"),
        );
    }
    findings.push(state_directory(config, has_users));
    findings.push(state_database(config, desk));
    findings.push(audit_log(config, desk));
    findings
}

/// What is found of the tokens, and whether there is a file.
fn tokens(config: &Config, desk: &Desk) -> (Vec<Finding>, bool) {
    let path = &config.http.auth.token_file;
    let records = match TokenFile::open(path).for_its_owner().read() {
        Ok(records) => records,
        Err(error) if error.kind == StoreErrorKind::Missing => {
            return (
                vec![Finding::ok(TOKENS, format!("{}: there is none", path.display()))],
                false,
            );
        }
        Err(error) => return (vec![Finding::refused(TOKENS, &error)], true),
    };
    let expired = records.iter().filter(|record| record.is_expired(desk.now)).count();
    let detail =
        format!("{}: {}, {expired} expired", path.display(), count(records.len(), "token"));
    let mut findings = vec![Finding::ok(TOKENS, detail)];
    let unbound = |record: &&TokenRecord| {
        record.database.as_ref().is_some_and(|name| !is_configured(name, config))
    };
    findings.extend(records.iter().filter(unbound).map(|record| {
        Finding::warn(
            TOKENS,
            format!("{} is bound to a database that is not configured", record.id),
        )
    }));
    (findings, true)
}

/// What is found of the users, and whether there is a file.
fn users(config: &Config, desk: &Desk) -> (Vec<Finding>, bool) {
    let path = config.http.auth.user_file.display();
    let read = accounts::file(desk).map(|file| file.read());
    let users = match read {
        Ok(Ok(users)) => users,
        Ok(Err(error)) if error.kind == StoreErrorKind::Missing => {
            return (vec![Finding::ok(USERS, format!("{path}: there is none"))], false);
        }
        Ok(Err(error)) => return (vec![Finding::refused(USERS, &error)], true),
        Err(fault) => return (vec![Finding::failed(USERS, &fault)], true),
    };
    let disabled = users.iter().filter(|kept| !kept.record.enabled).count();
    let detail = format!("{path}: {}, {disabled} disabled", count(users.len(), "user"));
    let mut findings = vec![Finding::ok(USERS, detail)];
    findings.extend(users.iter().flat_map(|kept| user(kept, config)));
    (findings, true)
}

fn user(KeptUser { record, .. }: &KeptUser, config: &Config) -> Vec<Finding> {
    let name = &record.name;
    let mut findings = Vec::new();
    let unusable = passwords::unusable([record]);
    findings.extend(unusable.into_iter().map(|it| Finding::warn(USERS, it.detail).hint(it.hint)));
    let mut databases = record.databases.iter().flatten();
    if let Some(unknown) = databases.find(|database| !is_configured(database, config)) {
        let detail = format!("{name} has the database {unknown}, which is not configured");
        findings.push(Finding::warn(USERS, detail));
    }
    findings
}

fn is_configured(name: &DatabaseName, config: &Config) -> bool {
    config.databases.iter().any(|database| database.name == *name)
}

fn state_directory(config: &Config, has_users: bool) -> Finding {
    let folder = &config.state.directory;
    let shown = folder.display();
    let metadata = match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return Finding::fail(FOLDER, format!("{shown}: it is no folder")),
        Err(error) => {
            let finding = if has_users { Finding::fail } else { Finding::warn };
            return finding(FOLDER, format!("{shown}: {error}"))
                .hint("make the folder, as the user of the server");
        }
    };
    if metadata.mode() & 0o022 != 0 {
        return Finding::fail(FOLDER, format!("{shown}: others than its owner may write to it"))
            .hint(format!("chmod go-w {shown}"));
    }
    if access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Finding::fail(FOLDER, format!("{shown}: we may not write to it"))
            .hint(format!("run it as the owner: sudo -u {}", owner(&metadata)));
    }
    // A service must own what it writes, the folder as well as the file of its users.
    match fs::metadata(&config.http.auth.user_file) {
        Ok(users) if users.uid() != metadata.uid() => {
            let (users, folder) = (owner(&users), owner(&metadata));
            Finding::warn(FOLDER, format!("{shown}: {folder} owns it, and {users} the users file"))
        }
        _ => Finding::ok(FOLDER, format!("{shown}: {} owns it", owner(&metadata))),
    }
}

fn state_database(config: &Config, desk: &Desk) -> Finding {
    let path = config.state.directory.join(accounts::STATE);
    if !path.exists() {
        return Finding::ok(STATE, format!("{}: there is none yet", path.display()));
    }
    match accounts::read_all(desk) {
        Ok(known) => Finding::ok(
            STATE,
            format!("{}: {}", path.display(), count(known.sessions.len(), "session")),
        ),
        Err(fault) => Finding::failed(STATE, &fault),
    }
}

pub(super) fn audit_log(config: &Config, desk: &Desk) -> Finding {
    if config.records_in_database() {
        return Finding::ok(AUDIT, "in the table auth_events, beside the users");
    }
    let path = config.audit.file.as_ref().unwrap_or(&config.state.directory);
    let since = desk.now.checked_sub(RECENT);
    let read = AuditReader::new(path).lines(AuditFilter { since, user: None });
    let told = read.and_then(|mut lines| lines.find_map(Result::err).map_or(Ok(()), Err));
    if let Err(error) = told {
        return Finding::refused(AUDIT, &error);
    }
    let file = if path.is_dir() { &path.join("audit.jsonl") } else { path };
    match fs::metadata(file) {
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            let shown = file.display();
            Finding::fail(AUDIT, format!("{shown}: others than its owner have a right to it"))
                .hint(format!("chmod 600 {shown}"))
        }
        Ok(metadata) => {
            Finding::ok(AUDIT, format!("{}: {} owns it", file.display(), owner(&metadata)))
        }
        Err(_) => Finding::ok(AUDIT, format!("{}: there is none yet", file.display())),
    }
}

/// `1 token`, `2 tokens`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn owner(metadata: &Metadata) -> String {
    user_name(metadata.uid())
}
