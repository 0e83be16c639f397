//! A DSN as it may be shown.

use super::key_value::Pairs;
use super::url::{Parts, rest_of_url};

const MASK: &str = "***";

/// The text with its password masked, in whatever form: `user:***@`, `password=***`. Works on
/// text that does not parse, and then rather hides too much.
#[must_use]
pub fn masked(dsn: &str) -> String {
    match rest_of_url(dsn) {
        Some(rest) => {
            let scheme = &dsn[..dsn.len() - rest.len()];
            format!("{scheme}{}", masked_rest(rest))
        }
        None => masked_pairs(dsn),
    }
}

fn masked_rest(rest: &str) -> String {
    let parts = Parts::split(rest);
    let before_query = rest.len() - parts.query.len();
    let query_has_at = parts.query.contains('@');
    let masked = match (parts.user, parts.password) {
        (Some(user), Some(password)) => {
            let host = user.len() + 1 + password.len();
            format!("{user}:{MASK}{}", &rest[host..before_query])
        }
        // An @ out of place: everything from the first colon up to it may be a password.
        (None, _) if rest[..before_query].contains('@') || query_has_at => {
            return out_of_place(rest);
        }
        _ => rest[..before_query].to_owned(),
    };
    format!("{masked}{}", masked_query(parts.query))
}

fn out_of_place(rest: &str) -> String {
    let last = rest.rfind('@').unwrap_or(rest.len());
    let first = rest[..last].find(':').map_or(0, |colon| colon + 1);
    let tail = rest.get(last..).unwrap_or_default();
    let (before, query) = tail.split_once('?').unwrap_or((tail, ""));
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{MASK}{before}{mark}{}", &rest[..first], masked_query(query))
}

fn masked_query(query: &str) -> String {
    let shown = |pair: &str| match pair.split_once('=') {
        // A name that is itself encoded may be that of the password.
        Some((name, _)) if is_secret(name) || name.contains('%') => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    };
    query.split('&').map(shown).collect::<Vec<_>>().join("&")
}

fn masked_pairs(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for pair in Pairs::new(text) {
        let Ok(pair) = pair else {
            // No form from here on; what it hides, it may go on hiding.
            shown.push_str(MASK);
            return shown;
        };
        shown.push_str(&text[done..pair.place.start]);
        shown.push_str(if is_secret(pair.name) { MASK } else { &text[pair.place.clone()] });
        done = pair.place.end;
    }
    shown.push_str(&text[done..]);
    shown
}

fn is_secret(name: &str) -> bool {
    name.to_ascii_lowercase().contains("password")
}
