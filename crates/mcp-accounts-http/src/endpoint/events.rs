//! What happened: to one's own account, and to all of them for admins.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use http::Method;
use mcp_accounts::Span;
use serde_json::{Value, json};

use crate::answer::{Answer, Reply};
use crate::route::{Access, Ask, Parameter, Route, SchemaOf, of};
use crate::view::{EventsBody, FieldProblem};

/// Events in one answer, where it is not said how many.
const PAGE: usize = 50;

const QUERY: &[Parameter] = &[
    Parameter { name: "limit", schema: limit_schema, meaning: "How many at most." },
    Parameter { name: "offset", schema: offset_schema, meaning: "How many newer to pass over." },
];
const ANSWERS: &[(u16, &str, SchemaOf)] = &[
    (200, "The events.", of::<EventsBody>),
    (422, "A limit or an offset that cannot be used.", of::<FieldProblem>),
];

pub(super) static ROUTES: [Route; 2] = [
    Route {
        method: Method::GET,
        path: "/auth/email/events",
        access: Access::Session,
        id: "listEvents",
        summary: "What happened to the account of whoever asks, newest first",
        body: None,
        query: QUERY,
        answers: ANSWERS,
        run: |ask| Box::pin(async move { own(&ask).await }),
    },
    Route {
        method: Method::GET,
        path: "/auth/email/admin/events",
        access: Access::Admin,
        id: "listAllEvents",
        summary: "What happened to any account, token or database, newest first",
        body: None,
        query: QUERY,
        answers: ANSWERS,
        run: |ask| Box::pin(async move { all(&ask).await }),
    },
];

fn limit_schema() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": Span::MOST, "default": PAGE })
}

fn offset_schema() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": Span::FARTHEST, "default": 0 })
}

async fn own(ask: &Ask) -> Reply {
    let (by, span) = (ask.by()?, span(ask)?);
    let events = ask.accounts.own_events(by, span).await.map_err(|fault| Answer::down(&fault))?;
    Ok(Answer::ok(&EventsBody::of(events, span)))
}

async fn all(ask: &Ask) -> Reply {
    let span = span(ask)?;
    let events = ask.accounts.events_for_admin(span).await.map_err(|fault| Answer::down(&fault))?;
    Ok(Answer::ok(&EventsBody::of(events, span)))
}

fn span(ask: &Ask) -> Result<Span, Answer> {
    let said = ask.query()?;
    let limit = number(&said, "limit", PAGE, 1..=Span::MOST)
        .ok_or_else(|| Answer::field("limit", "must be a whole number from 1 to 100"))?;
    let offset = number(&said, "offset", 0, 0..=Span::FARTHEST)
        .ok_or_else(|| Answer::field("offset", "must be a whole number from 0 to 10000"))?;
    Ok(Span { limit, offset })
}

/// `None`: it is something else than that.
fn number(
    said: &BTreeMap<String, String>,
    name: &str,
    unsaid: usize,
    allowed: RangeInclusive<usize>,
) -> Option<usize> {
    let Some(text) = said.get(name) else { return Some(unsaid) };
    text.parse().ok().filter(|number| allowed.contains(number))
}
