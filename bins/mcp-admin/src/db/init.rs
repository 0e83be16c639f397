//! `db init` and `db status`: the tables of users and tokens.

use std::fmt::Write as _;

use mcp_connect::{Connection, SessionSettings, Target, Transaction};
use mcp_identity::{
    AuditAction, Entropy as _, Password, RoleName, Subject, SystemEntropy, UserName,
};
use mcp_sql::quote_identifier;
use mcp_store::{AccountStore as _, StoredHash, TokenStore as _, UserRecord};
use mcp_store_postgres::{PostgresStore, TablesState, plain_to_elsewhere};
use serde_json::json;

use crate::desk::Desk;
use crate::output::{Fault, warn};
use crate::passwords::Passwords;
use crate::{dsn, prompt};

/// Who is made where nobody is.
const FIRST: &str = "system";

/// Characters of a password that a person may have to type: none looks like another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

pub(super) fn run(as_superuser: Option<&str>, desk: &Desk) -> Result<(), Fault> {
    let users = &desk.config()?.users;
    let target = dsn::target(users)?;
    if let Some(superuser) = as_superuser {
        let superuser = Target::parse(superuser)
            .map_err(|error| Fault::refused(format!("--as-superuser: {error}")))?;
        desk.wait(grant(&superuser, &target))?;
    }
    let before = desk.wait(PostgresStore::look(target.clone())).map_err(dsn::fault)?;
    let store = dsn::open(desk)?;
    let said = match before {
        TablesState::Ready => "The tables were there already",
        TablesState::Absent => "Made the tables of users and tokens",
        TablesState::Foreseen => "Migrated the tables of users",
    };
    let first = first_admin(&store, desk)?;
    let mut text = format!("{said}: {target}\n");
    if let Some(password) = &first {
        let _ = write!(
            text,
            "\nMade the user {FIRST}, who is admin. The password is shown once:\n\n  {}\n\n\
             Change it: mcp-admin users update {FIRST}\n",
            password.expose()
        );
    }
    let document = json!({
        "database": target.to_string(), "tables": word(before),
        "username": first.as_ref().map(|_| FIRST),
        "password": first.as_ref().map(Password::expose),
    });
    desk.output.tell(&text, &document)
}

/// What the login needs to make its tables, from somebody who may give it.
async fn grant(superuser: &Target, login: &Target) -> Result<(), Fault> {
    let user = quote_identifier(&login.user);
    let grant = format!("GRANT USAGE, CREATE ON SCHEMA public TO {user}");
    let session = SessionSettings {
        application_name: "mcp-admin".to_owned(),
        settings: Vec::new(),
        role: None,
    };
    // Whoever grants may have named another database than the one of the users.
    let there = Target { database: login.database.clone(), ..superuser.clone() };
    let refuse = |error: &dyn std::fmt::Display| Fault::refused(format!("{there}: {error}"));
    let connecting = Connection::connect(&there, &session).await;
    let mut connection = connecting.map_err(|error| refuse(&error))?;
    let running = connection.start(Transaction::ReadWrite, &grant, &[]).await;
    let mut running = running.map_err(|error| refuse(&error))?;
    while running.next().await.map_err(|error| refuse(&error))?.is_some() {}
    running.finish().await.map_err(|error| refuse(&error))?;
    Ok(())
}

/// Makes the first admin where there is no user and somebody to read the password.
fn first_admin(store: &PostgresStore, desk: &Desk) -> Result<Option<Password>, Fault> {
    if !desk.wait(store.accounts())?.is_empty() {
        return Ok(None);
    }
    if !prompt::is_possible() {
        warn("there is no user yet: mcp-admin users add NAME --role admin");
        return Ok(None);
    }
    let password = random_password()?;
    let hash = desk.wait(Passwords::new(desk.config()?)?.hash(FIRST, &password))?;
    let name = UserName::parse(FIRST).map_err(Fault::from_failure)?;
    let record = UserRecord {
        roles: RoleName::parse("admin").into_iter().collect(),
        note: "made by mcp-admin db init".to_owned(),
        ..UserRecord::new(name.clone(), StoredHash::new(hash.expose()), desk.now)
    };
    desk.wait(store.add_account(record))?;
    desk.record(AuditAction::AddUser, Subject::User(name));
    Ok(Some(password))
}

/// Twenty-four characters of five bits each, and one of each kind that a policy may ask for.
fn random_password() -> Result<Password, Fault> {
    let mut bytes = [0; 24];
    SystemEntropy.fill(&mut bytes).map_err(Fault::from_failure)?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
    let text: String = bytes.iter().map(letter).collect();
    Ok(Password::presented(format!("{text}-A1")))
}

pub(super) fn status(desk: &Desk) -> Result<(), Fault> {
    let users = &desk.config()?.users;
    let target = dsn::target(users)?;
    if let Some(host) = plain_to_elsewhere(&target) {
        warn(&format!("users and tokens travel to {host} unencrypted: sslmode=disable"));
    }
    let state = desk.wait(PostgresStore::look(target.clone())).map_err(dsn::fault)?;
    let mut document = json!({ "database": target.to_string(), "tables": word(state) });
    let mut text = format!("Database: {target}\nTables: {}\n", word(state));
    if state != TablesState::Ready {
        desk.output.show(&text, &document)?;
        return Err(Fault::refused("the tables are not ready").hint("mcp-admin db init"));
    }
    let store = dsn::open(desk)?;
    let tokens = desk.wait(store.all())?.len();
    let accounts = desk.wait(store.accounts())?.len();
    let sessions = desk.wait(store.sessions())?;
    let sessions = sessions.iter().filter(|session| !session.is_expired(desk.now)).count();
    let _ = write!(text, "Users: {accounts}\nSessions: {sessions}\nTokens: {tokens}\n");
    document["users"] = accounts.into();
    document["sessions"] = sessions.into();
    document["tokens"] = tokens.into();
    desk.output.show(&text, &document)
}

fn word(state: TablesState) -> &'static str {
    match state {
        TablesState::Ready => "ready",
        TablesState::Absent => "absent",
        TablesState::Foreseen => "to be migrated",
    }
}
