//! `users import` and `users export`: accounts from one store into another, as a users file.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use mcp_identity::{AuditAction, DatabaseName, DbRole, RoleName, Subject, UserName};
use mcp_password::PasswordHash;
use mcp_store::{Account, AddRejection, UserRecord};
use mcp_store_file::{KeptUser, UserFile};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::output::{Fault, warn};
use crate::{accounts, when};

/// What became of one account of the file.
enum Fate {
    Added,
    /// The very same account is there: the file was imported before.
    There,
    Refused(String),
}

/// What the store takes of the file is added, to a users file in one change.
pub(crate) fn import(file: &Path, desk: &Desk) -> Result<(), Fault> {
    let users = UserFile::open(file).for_its_owner().read()?;
    let store = accounts::open(desk)?;
    let accounts = desk.wait(store.accounts())?;
    let there: HashMap<UserName, UserRecord> =
        accounts.into_iter().map(|account| (account.record.name.clone(), account.record)).collect();
    let sorted: Vec<(UserRecord, Option<Fate>)> = users
        .into_iter()
        .map(|KeptUser { record, .. }| {
            let fate = known(&record, there.get(&record.name));
            (record, fate)
        })
        .collect();
    let is_new = |(_, fate): &&(UserRecord, Option<Fate>)| fate.is_none();
    let new: Vec<UserRecord> =
        sorted.iter().filter(is_new).map(|(record, _)| record.clone()).collect();
    let added = if new.is_empty() { Ok(Vec::new()) } else { desk.wait(store.add_all(new)) };
    let added = added.map_err(|error| Fault::from(error).about("all users of the file"))?;
    let mut answers = added.into_iter();
    let fates: Vec<(UserName, Fate)> = sorted
        .into_iter()
        .map(|(record, fate)| (record.name, fate.unwrap_or_else(|| answered(answers.next()))))
        .collect();
    let added = fates.iter().filter(|(_, fate)| matches!(fate, Fate::Added));
    let user = |(name, _): &(UserName, Fate)| (AuditAction::AddUser, Subject::User(name.clone()));
    desk.record_all(added.map(user));
    report(&fates, desk)
}

/// What becomes of a record without asking the store to take it.
fn known(record: &UserRecord, there: Option<&UserRecord>) -> Option<Fate> {
    if let Err(error) = PasswordHash::parse(record.password.expose()) {
        return Some(Fate::Refused(format!("the password hash {error}")));
    }
    let there = there?;
    let same = there.password == record.password && there.created_at == record.created_at;
    Some(if same { Fate::There } else { refused(&AddRejection::NameTaken) })
}

/// What the store said of a record. It answers for each.
fn answered(answer: Option<Result<(), AddRejection>>) -> Fate {
    match answer {
        Some(Ok(())) => Fate::Added,
        Some(Err(rejection)) => refused(&rejection),
        None => Fate::Refused("the store did not say".to_owned()),
    }
}

fn refused(rejection: &AddRejection) -> Fate {
    Fate::Refused(rejection.to_string())
}

fn report(fates: &[(UserName, Fate)], desk: &Desk) -> Result<(), Fault> {
    let names = |wanted: fn(&Fate) -> bool| -> Vec<&str> {
        let chosen = fates.iter().filter(|(_, fate)| wanted(fate));
        chosen.map(|(name, _)| name.as_str()).collect()
    };
    let added = names(|fate| matches!(fate, Fate::Added));
    let there = names(|fate| matches!(fate, Fate::There));
    let refused: Vec<(&str, &str)> = fates
        .iter()
        .filter_map(|(name, fate)| match fate {
            Fate::Refused(why) => Some((name.as_str(), why.as_str())),
            Fate::Added | Fate::There => None,
        })
        .collect();
    for (name, why) in &refused {
        warn(&format!("{name} was not imported: {why}"));
    }
    let mut text = format!("Users imported: {}\n", added.len());
    if !there.is_empty() {
        let _ = writeln!(text, "Already there: {}", there.len());
    }
    let reasons: Vec<Value> =
        refused.iter().map(|(name, why)| json!({ "username": name, "reason": why })).collect();
    let document = json!({ "imported": added, "already_there": there, "refused": reasons });
    desk.output.tell(&text, &document)?;
    match refused.len() {
        0 => Ok(()),
        several => Err(Fault::refused(format!("{several} of {} were not imported", fates.len()))),
    }
}

/// Prints a users file: a map from name to account, which is also JSON.
pub(crate) fn export(desk: &Desk) -> Result<(), Fault> {
    let known = accounts::read(desk)?;
    let accounts = known.accounts.iter();
    let entries: Vec<(&str, Entry)> =
        accounts.map(|account| (account.record.name.as_str(), entry(account))).collect();
    let mut text = String::from(if entries.is_empty() { "users: {}\n" } else { "users:\n" });
    for (name, entry) in &entries {
        let _ = writeln!(text, "  {}:", quoted(name));
        for (key, value) in entry {
            let _ = writeln!(text, "    {key}: {}", scalar(value));
        }
    }
    let entry = |entry: Entry| -> Value { entry.into_iter().collect() };
    let users: Value =
        entries.into_iter().map(|(name, fields)| (name.to_owned(), entry(fields))).collect();
    desk.output.show(&text, &json!({ "users": users }))
}

/// Keys and values, in their order.
type Entry = Vec<(&'static str, Value)>;

/// An account as the file has it, without what says nothing. What makes it one comes last: an
/// entry that was cut short is none, and never one without what restricts it.
fn entry(account: &Account) -> Entry {
    let record = &account.record;
    let databases = |some: &BTreeSet<DatabaseName>| {
        some.iter().map(|name| Value::from(name.as_str())).collect::<Vec<_>>()
    };
    let roles: Vec<Value> = record.roles.iter().map(RoleName::as_str).map(Value::from).collect();
    let fields = [
        ("username", Some(record.name.as_str().into())),
        ("password_hash", Some(record.password.expose().into())),
        ("created_at", Some(when::rfc3339(record.created_at).into())),
        ("last_login", account.last_login.map(|time| when::rfc3339(time).into())),
        ("annotation", Some(record.note.as_str().into())),
        ("email", record.email.as_deref().map(Value::from)),
        ("roles", (!roles.is_empty()).then(|| roles.into())),
        ("databases", record.databases.as_ref().map(databases).map(Value::from)),
        ("db_role", record.db_role.as_ref().map(DbRole::as_str).map(Value::from)),
        ("read_only", record.read_only.then(|| true.into())),
        ("enabled", Some(record.enabled.into())),
    ];
    fields.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(scalar).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Text in double quotes, where YAML and JSON have the same escapes. Everything that is not plain
/// ASCII gets one: not every reader of YAML takes every character.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            c if c.is_alphanumeric() => quoted.push(c),
            c => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}
