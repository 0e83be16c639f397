//! `sessions`: listed, ended.

use std::net::IpAddr;

use mcp_identity::{AuditAction, SessionId, Subject};
use mcp_store::{LoginSession, SessionSelector};
use serde_json::{Value, json};

use crate::cli::{RevokeArgs, SessionsCommand};
use crate::desk::Desk;
use crate::output::Fault;
use crate::table::{Column, Table};
use crate::{accounts, when};

pub(crate) fn run(command: SessionsCommand, desk: &Desk) -> Result<(), Fault> {
    match command {
        SessionsCommand::List { name } => list(name.as_deref(), desk),
        SessionsCommand::Revoke(arguments) => revoke(&arguments, desk),
    }
}

fn list(name: Option<&str>, desk: &Desk) -> Result<(), Fault> {
    let known = accounts::read(desk)?;
    let sessions: Vec<&LoginSession> = match name {
        Some(name) => known.sessions_of(&known.find(&accounts::name(name)?)?.record.name).collect(),
        None => known.sessions.iter().collect(),
    };
    let documents: Vec<Value> = sessions.iter().map(|session| document(session)).collect();
    let document = json!({ "sessions": documents, "total": documents.len() });
    desk.output.show(&table(&sessions), &document)
}

fn revoke(arguments: &RevokeArgs, desk: &Desk) -> Result<(), Fault> {
    let by_id = arguments.id.as_deref();
    let selector = match (&arguments.user, by_id) {
        (Some(name), _) => SessionSelector::OfUser(accounts::name(name)?, None),
        (None, Some(id)) => SessionSelector::Id(SessionId::parse(id).ok_or_else(not_found)?),
        (None, None) => SessionSelector::All,
    };
    let store = accounts::open(desk)?;
    if let SessionSelector::OfUser(name, _) = &selector {
        let found = desk.wait(store.find_account(name))?;
        found.ok_or(mcp_store::EditRejection::NotFound)?;
    }
    let ended = desk.wait(store.end_sessions(selector))?;
    if ended.is_empty() && by_id.is_some() {
        return Err(not_found());
    }
    desk.record_all(ended.iter().map(|session| {
        let subject = Subject::Session(session.id.clone(), session.user.clone());
        (AuditAction::EndSession, subject)
    }));
    let documents: Vec<Value> = ended.iter().map(document).collect();
    let text = format!("Sessions ended: {}\n", ended.len());
    desk.output.tell(&text, &json!({ "ended": documents, "total": ended.len() }))
}

/// Does not repeat what was typed: it may be the token of the session.
fn not_found() -> Fault {
    Fault::refused("Session not found").hint("the ids are in: mcp-admin sessions list")
}

pub(crate) fn table(sessions: &[&LoginSession]) -> String {
    let table = Table {
        title: "Sessions:",
        columns: [
            Column::of("ID", 16),
            Column::whole("Username", 8),
            Column::of("Opened", 16),
            Column::of("Last Used", 16),
            Column::of("Expires", 16),
            Column::whole("Address", 9),
            Column::of("Agent", 30),
        ],
        rows: sessions.iter().map(|session| row(session)).collect(),
        rule: 120,
    };
    table.render()
}

fn row(session: &LoginSession) -> [String; 7] {
    [
        session.id.to_string(),
        session.user.to_string(),
        when::minute(session.created_at),
        when::minute(session.last_used),
        when::minute(session.expires_at),
        session.address.map(|address| address.to_string()).unwrap_or_default(),
        session.agent.clone().unwrap_or_default(),
    ]
}

pub(crate) fn document(session: &LoginSession) -> Value {
    json!({
        "id": session.id.as_str(),
        "username": session.user.as_str(),
        "created_at": when::rfc3339(session.created_at),
        "last_used": when::rfc3339(session.last_used),
        "expires_at": when::rfc3339(session.expires_at),
        "address": session.address.as_ref().map(IpAddr::to_string),
        "agent": session.agent,
    })
}
