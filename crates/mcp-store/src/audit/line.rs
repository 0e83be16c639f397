//! One line of the audit log.

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::SystemTime;

use mcp_identity::{Actor, AuditEvent, AuditOutcome, Caller, PrincipalId, Subject, UserName};
use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;
use serde_json::{Serializer, Value};

use super::time::rfc3339;

/// The layout that this code writes, and the only one that it reads.
const VERSION: u64 = 1;

/// The longest agent or name that is written, in bytes before escaping.
pub(super) const LONGEST: usize = 256;

/// The action of a line that stands for events which could not be kept; `reason` says of what.
const LOST: &str = "lost";

/// One line as it was read. Its texts are what was sent: escape them before showing them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditLine {
    /// When.
    #[serde(with = "rfc3339")]
    pub time: SystemTime,
    /// What was done or tried; `lost` where `count` events of the action in `reason` could not
    /// be kept.
    pub action: String,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// Why it was not done, as a word that never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The account that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `false`: a name was given that is no account's, and it is not written.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub known: bool,
    /// The id of the API token that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The id of the session that it concerns; `user` says whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The database that a statement ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What the statement does, as PostgreSQL's command tags have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What the client called itself; the first 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The credential that did it: `token:ID`, `session:ID` or `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Who did it at a terminal. Neither this nor `address`: the server itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// How many events the line stands for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
}

/// Which lines are wanted. The default: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Lines of that time and later.
    pub since: Option<SystemTime>,
    /// Lines that concern that account, or a session of its.
    pub user: Option<UserName>,
}

/// Why a line was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditLineFault {
    /// A newer program wrote it.
    #[error("its version is {0}, and only 1 is known")]
    Version(u64),
    /// No line of an audit log, from that column on.
    #[error("no line of an audit log, from column {0} on")]
    Broken(usize),
}

impl AuditLine {
    /// Reads one line, with or without its end.
    ///
    /// # Errors
    /// [`AuditLineFault`], when a newer program wrote it or no program of this product.
    pub fn parse(text: &[u8]) -> Result<Self, AuditLineFault> {
        #[derive(Deserialize)]
        struct Versioned {
            v: u64,
        }
        let broken = |error: serde_json::Error| AuditLineFault::Broken(error.column());
        // The version first: nothing else is known of a line whose version is not.
        match serde_json::from_slice(text).map_err(broken)? {
            Versioned { v: VERSION } => serde_json::from_slice(text).map_err(broken),
            Versioned { v } => Err(AuditLineFault::Version(v)),
        }
    }

    /// The line as it is kept: JSON that says its version.
    #[must_use]
    pub fn versioned(&self) -> Value {
        let mut kept = serde_json::to_value(self).unwrap_or_default();
        debug_assert!(kept.is_object(), "a line is an object");
        if let Value::Object(fields) = &mut kept {
            fields.insert("v".to_owned(), VERSION.into());
        }
        kept
    }

    /// The same line as whoever looks at its texts may see them, wherever they are shown: what
    /// acts, reorders or cannot be seen is written as an escape.
    #[must_use]
    pub fn visible(self) -> Self {
        let (agent, operator) = (self.agent.map(visible), self.operator.map(visible));
        Self { agent, operator, ..self }
    }
}

/// The line of an event, with its end.
pub(super) fn of_event(event: &AuditEvent) -> Vec<u8> {
    let (outcome, reason) = match event.outcome {
        AuditOutcome::Done => ("done", None),
        AuditOutcome::Refused(reason) => ("refused", Some(reason)),
        AuditOutcome::Failed(reason) => ("failed", Some(reason)),
    };
    let count = event.count;
    let line = Line::new(event.at, event.action.as_str(), outcome, reason, count);
    line.concerning(&event.subject).done_by(&event.actor).encode()
}

/// The line that says how many events of `action` are missing.
pub(super) fn of_loss(at: SystemTime, action: &str, count: u64) -> Vec<u8> {
    Line::new(at, LOST, "failed", Some(action), count).encode()
}

/// Text that is neither longer than a line should hold nor cut without a sign of it.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(LONGEST)]))
}

/// A line to be written. The order of the fields is that of the keys, and never changes.
#[derive(Serialize)]
struct Line<'a> {
    v: u64,
    #[serde(with = "rfc3339")]
    time: SystemTime,
    action: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Name<'a>>,
    #[serde(skip_serializing_if = "is_yes")]
    known: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "is_one")]
    count: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Name<'a> {
    Written(&'a str),
    /// Of nobody: `null`.
    Withheld,
}

impl<'a> Line<'a> {
    fn new(
        time: SystemTime,
        action: &'a str,
        outcome: &'a str,
        reason: Option<&'a str>,
        count: u64,
    ) -> Self {
        Self {
            v: VERSION,
            time,
            action,
            outcome,
            reason,
            user: None,
            known: true,
            token: None,
            session: None,
            database: None,
            command: None,
            address: None,
            agent: None,
            request_id: None,
            principal: None,
            operator: None,
            count,
        }
    }

    fn concerning(self, subject: &'a Subject) -> Self {
        match subject {
            Subject::None => self,
            Subject::User(name) => Self { user: Some(Name::Written(name.as_str())), ..self },
            Subject::UnknownUser => Self { user: Some(Name::Withheld), known: false, ..self },
            Subject::Token(id) => Self { token: Some(id.as_str()), ..self },
            Subject::Session(id, name) => Self {
                user: Some(Name::Written(name.as_str())),
                session: Some(id.as_str()),
                ..self
            },
            Subject::Statement(database, command) => {
                Self { database: Some(database.as_str()), command: Some(command), ..self }
            }
        }
    }

    fn done_by(self, actor: &'a Actor) -> Self {
        match actor {
            Actor::Server => self,
            Actor::Principal(id) => Self { principal: Some(id.to_string()), ..self },
            Actor::Operator(name) => Self { operator: Some(cut(name)), ..self },
            Actor::Caller(Caller { address, agent, request_id }, principal) => Self {
                address: Some(*address),
                agent: agent.as_deref().map(cut),
                request_id: Some(request_id.as_str()),
                principal: principal.as_ref().map(PrincipalId::to_string),
                ..self
            },
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(256);
        let encoded = self.serialize(&mut Serializer::with_formatter(&mut text, LineSafe));
        debug_assert!(encoded.is_ok(), "a vector takes whatever is written to it");
        text.push(b'\n');
        text
    }
}

/// JSON that stays on its line and looks like what it is, wherever it is shown: what JSON itself
/// leaves as it is (DEL, U+2028, bidirectional and invisible characters) is escaped as well.
struct LineSafe;

impl Formatter for LineSafe {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, found)) = rest.char_indices().find(|(_, c)| hides(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in found.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + found.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Characters that act, reorder text or cannot be seen. Those of Hangul that fill a place are
/// letters to Unicode and blanks to a reader.
fn hides(c: char) -> bool {
    // Nearly all of it is such text, and asking Unicode about each character costs.
    if (' '..='~').contains(&c) {
        return false;
    }
    let acts = !matches!(c, '\'' | '"' | '\\') && c.escape_debug().len() > 1;
    acts || matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}')
}

fn visible(text: String) -> String {
    if !text.contains(hides) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hides(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_yes(known: &bool) -> bool {
    *known
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_one(count: &u64) -> bool {
    *count == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_hides_is_escaped() {
        let ranges = [
            '\0'..='\u{1f}',
            '\u{7f}'..='\u{9f}',
            '\u{ad}'..='\u{ad}',
            '\u{34f}'..='\u{34f}',
            '\u{61c}'..='\u{61c}',
            '\u{115f}'..='\u{1160}',
            '\u{180b}'..='\u{180f}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{3164}'..='\u{3164}',
            '\u{fe00}'..='\u{fe0f}',
            '\u{feff}'..='\u{feff}',
            '\u{ffa0}'..='\u{ffa0}',
            '\u{fff0}'..='\u{fffb}',
            '\u{e0000}'..='\u{e0fff}',
        ];
        for c in ranges.into_iter().flatten() {
            assert!(hides(c), "{c:?}");
        }
        for c in "azAZ09 \"'\\/äßÉ中한😀…".chars() {
            assert!(!hides(c), "{c:?}");
        }
    }

    #[test]
    fn what_hides_in_a_text_is_seen_in_what_is_shown() {
        let text = r#"{"v":1,"time":"1970-01-01T00:00:00Z","action":"login","outcome":"done","agent":"a\u0000\u202eb\\n"}"#;
        let line = AuditLine::parse(text.as_bytes()).unwrap();
        let kept = line.versioned().to_string();
        assert_eq!(AuditLine::parse(kept.as_bytes()), Ok(line.clone()));
        assert_eq!(line.agent.as_deref(), Some("a\0\u{202e}b\\n"));
        assert_eq!(line.visible().agent.as_deref(), Some(r"a\u{0}\u{202e}b\n"));
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(cut("short"), "short");
        let long = "ä".repeat(200);
        assert_eq!(cut(&long), format!("{}…", "ä".repeat(128)));
        assert_eq!(cut(&format!("x{long}")), format!("x{}…", "ä".repeat(127)));
    }

    #[test]
    fn a_line_of_another_version_is_told_apart_from_a_broken_one() {
        assert_eq!(AuditLine::parse(br#"{"v":2,"when":"now"}"#), Err(AuditLineFault::Version(2)));
        assert!(matches!(AuditLine::parse(b"{\"v\":1,"), Err(AuditLineFault::Broken(_))));
        assert!(matches!(AuditLine::parse(b"\xff"), Err(AuditLineFault::Broken(_))));
    }

    #[test]
    fn a_loss_is_a_line_that_says_of_what() {
        let text = of_loss(SystemTime::UNIX_EPOCH, "bearer", 7);
        let expected = concat!(
            r#"{"v":1,"time":"1970-01-01T00:00:00.000Z","action":"lost","#,
            r#""outcome":"failed","reason":"bearer","count":7}"#,
            "\n"
        );
        assert_eq!(str::from_utf8(&text).unwrap(), expected);
    }
}
