//! `users list` and `users show`.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use mcp_identity::{DatabaseName, DbRole, RoleName};
use mcp_password::{Algorithm, PasswordHash};
use mcp_store::{Account, LoginSession, StoredHash};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::output::{Fault, labelled, warn};
use crate::table::{Column, Table};
use crate::{accounts, passwords, sessions, when};

/// As long as the rules of the source.
const RULE: usize = 90;

pub(super) fn list(desk: &Desk) -> Result<(), Fault> {
    let known = accounts::read(desk)?;
    let lockouts = Lockouts::of(desk)?;
    warn_of_hashes(&known.accounts);
    let table = Table {
        title: "Users:",
        columns: [
            Column::whole("Username", 20),
            Column::of("Created", 25),
            Column::of("Last Login", 20),
            Column::whole("Status", 11),
            Column::of("Annotation", 10),
        ],
        rows: known.accounts.iter().map(|account| row(account, &lockouts)).collect(),
        rule: RULE,
    };
    let users: Vec<Value> =
        known.accounts.iter().map(|account| document(account, &lockouts)).collect();
    desk.output.show(&table.render(), &json!({ "users": users, "total": users.len() }))
}

/// Who can never log in is not seen in any column; the first few by name.
fn warn_of_hashes(accounts: &[Account]) {
    let faults = passwords::unusable(accounts.iter().map(|account| &account.record));
    for fault in faults.iter().take(passwords::MOST_NAMED) {
        warn(&format!("{}; {}", fault.detail, fault.hint));
    }
    let more = faults.len().saturating_sub(passwords::MOST_NAMED);
    if more > 0 {
        warn(&format!("{more} more cannot log in either, by their password hashes"));
    }
}

fn row(account: &Account, lockouts: &Lockouts) -> [String; 5] {
    let record = &account.record;
    [
        record.name.to_string(),
        when::minute(record.created_at),
        account.last_login.map_or_else(|| "Never".to_owned(), when::minute),
        lockouts.status(account),
        record.note.clone(),
    ]
}

pub(super) fn one(name: &str, desk: &Desk) -> Result<(), Fault> {
    let name = accounts::name(name)?;
    let known = accounts::read(desk)?;
    let account = known.find(&name)?;
    let sessions: Vec<&LoginSession> = known.sessions_of(&name).collect();
    let lockouts = Lockouts::of(desk)?;
    let mut text = described(account, &lockouts);
    let _ = writeln!(text, "Sessions: {}", sessions.len());
    if !sessions.is_empty() {
        let _ = write!(text, "\n{}", sessions::table(&sessions));
    }
    let mut document = document(account, &lockouts);
    document["sessions"] = sessions.into_iter().map(sessions::document).collect();
    desk.output.show(&text, &document)
}

/// All fields of an account, one a line.
fn described(account: &Account, lockouts: &Lockouts) -> String {
    let record = &account.record;
    let names = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    let databases = record.databases.as_ref().map_or_else(
        || "every one that is open to users".to_owned(),
        |some| names(&mut some.iter().map(DatabaseName::as_str)),
    );
    let fields = [
        ("Username", record.name.to_string()),
        ("Email", record.email.clone().unwrap_or_default()),
        ("Note", record.note.clone()),
        ("Status", lockouts.status(account)),
        ("Failed logins", account.lockout.failures.to_string()),
        ("Created", when::second(record.created_at)),
        ("Last login", account.last_login.map_or_else(|| "Never".to_owned(), when::second)),
        ("Roles", names(&mut record.roles.iter().map(RoleName::as_str))),
        ("Databases", databases),
        (
            "Database role",
            record.db_role.as_ref().map_or("the login's own", DbRole::as_str).to_owned(),
        ),
        ("Read-only", if record.read_only { "yes" } else { "no" }.to_owned()),
        ("Password", how(&record.password)),
    ];
    let lines = fields.map(|(label, value)| labelled(label, &value));
    lines.join("\n") + "\n"
}

/// How a password is kept.
fn how(stored: &StoredHash) -> String {
    match PasswordHash::parse(stored.expose()).map(|hash| hash.algorithm()) {
        Ok(Algorithm::Bcrypt { cost }) => format!("bcrypt, cost {cost}"),
        Ok(Algorithm::Argon2id { memory_kib, time, parallelism }) => {
            format!("argon2id, m={memory_kib} t={time} p={parallelism}")
        }
        Err(error) => format!("unusable: it {error}"),
    }
}

pub(super) fn document(account: &Account, lockouts: &Lockouts) -> Value {
    let record = &account.record;
    let names = |some: &std::collections::BTreeSet<DatabaseName>| {
        some.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    let (status, until) = match lockouts.lock(account) {
        _ if !record.enabled => ("disabled", None),
        Locked::For(left) => ("locked", lockouts.now.checked_add(left)),
        Locked::UntilLifted => ("locked", None),
        Locked::Not => ("enabled", None),
    };
    json!({
        "username": record.name.as_str(),
        "email": record.email,
        "note": record.note,
        "status": status,
        "locked_until": until.map(when::rfc3339),
        "failed_logins": account.lockout.failures,
        "created_at": when::rfc3339(record.created_at),
        "last_login": account.last_login.map(when::rfc3339),
        "roles": record.roles.iter().map(RoleName::as_str).collect::<Vec<_>>(),
        "databases": record.databases.as_ref().map(names),
        "db_role": record.db_role.as_ref().map(DbRole::as_str),
        "read_only": record.read_only,
    })
}

/// What is left of a lock.
enum Locked {
    Not,
    For(Duration),
    UntilLifted,
}

/// What locks mean now.
pub(super) struct Lockouts {
    /// How long any lock lasts at most, by the configuration of today.
    longest: Option<Duration>,
    now: SystemTime,
}

impl Lockouts {
    pub(super) fn of(desk: &Desk) -> Result<Self, Fault> {
        let minutes = u64::from(desk.config()?.http.auth.lockout_duration_minutes);
        let longest = (minutes > 0).then(|| Duration::from_mins(minutes));
        Ok(Self { longest, now: desk.now })
    }

    fn lock(&self, account: &Account) -> Locked {
        let Some(lock) = account.lockout.lock else { return Locked::Not };
        // No lock lasts longer than the configuration says, whenever it was set.
        let left = lock.left(self.now).into_iter().chain(self.longest).min();
        match left {
            Some(Duration::ZERO) => Locked::Not,
            Some(left) => Locked::For(left),
            None => Locked::UntilLifted,
        }
    }

    /// In the words of the list. Who is disabled does not get in, locked or not.
    fn status(&self, account: &Account) -> String {
        match self.lock(account) {
            _ if !account.record.enabled => "DISABLED".to_owned(),
            Locked::For(left) => format!("LOCKED {}", when::left(left)),
            Locked::UntilLifted => "LOCKED".to_owned(),
            Locked::Not => "Enabled".to_owned(),
        }
    }
}
