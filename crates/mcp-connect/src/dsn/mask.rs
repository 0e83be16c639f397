//! A DSN as it may be shown.

use super::key_value::Pairs;
use super::parameter::Parameter;
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
    let mut after_secret = false;
    let shown = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // What follows an & that was not encoded is still the password.
        if after_secret && Parameter::parse(name).is_err() {
            return MASK.to_owned();
        }
        // A name that is itself encoded may be that of the password.
        after_secret = is_secret(name) || name.contains('%');
        if after_secret && !value.is_empty() { format!("{name}={MASK}") } else { pair.to_owned() }
    };
    query.split('&').map(shown).collect::<Vec<_>>().join("&")
}

fn masked_pairs(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    let mut after_secret = false;
    for pair in Pairs::new(text) {
        // No form from here on, or what follows a space in a password that was not quoted.
        let Some(pair) =
            pair.ok().filter(|pair| !after_secret || Parameter::parse(pair.name).is_ok())
        else {
            shown.push_str(MASK);
            return shown;
        };
        after_secret = is_secret(pair.name);
        shown.push_str(&text[done..pair.place.start]);
        shown.push_str(if after_secret { MASK } else { &text[pair.place.clone()] });
        done = pair.place.end;
    }
    shown.push_str(&text[done..]);
    shown
}

fn is_secret(name: &str) -> bool {
    name.to_ascii_lowercase().contains("password")
}
