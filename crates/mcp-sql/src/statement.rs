//! One statement, found in a text and judged.

use crate::change;
use crate::deny::is_denied;
use crate::explain::{self, ExplainOptions};
use crate::lexer::{LexicalFault, Placed, Token, tokens};
use crate::quote::quote_literal;

/// A statement that may run, or why it may not.
pub type Verdict<'t> = Result<Statement<'t>, Refusal>;

/// One statement that may be tried. PostgreSQL still has the last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'t> {
    kind: Kind<'t>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind<'t> {
    /// A query: SELECT, VALUES, TABLE, WITH, or one of them in parentheses.
    Query { body: &'t str, start: usize },
    /// EXPLAIN of a query.
    Explain { options: ExplainOptions, body: &'t str, start: usize },
    /// SHOW of one setting.
    Show { name: String },
    /// SHOW ALL.
    ShowAll,
    /// What writes, and its command.
    Change { command: &'static str, body: &'t str, start: usize },
}

/// Why a text may not run. `Display` is written for the model that sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing, or only comments.
    #[error("the query is empty")]
    Empty,
    /// Not SQL: this tool takes SQL, and its caller's model writes it.
    #[error(
        "this is not an SQL statement. query_database takes one SQL query (SELECT, VALUES, TABLE, \
         WITH, EXPLAIN or SHOW); it does not translate sentences. Call get_schema_info for the \
         tables and columns, then write the SQL yourself"
    )]
    Sentence,
    /// More than one statement.
    #[error("send one statement at a time; this text holds several")]
    Several,
    /// A statement that is no read.
    #[error("{0} is not allowed here: this connection only reads")]
    NotARead(String),
    /// A statement that is neither a read nor a change that may run.
    #[error(
        "{0} is not allowed here. What may run is a query, or one INSERT, UPDATE, DELETE, MERGE, \
         TRUNCATE, COMMENT, ANALYZE, REFRESH MATERIALIZED VIEW, or CREATE, ALTER or DROP of a \
         table, view, index, sequence, schema, type or domain; it is committed by itself"
    )]
    NeverAChange(String),
    /// An EXPLAIN option that is not passed on.
    #[error(
        "this EXPLAIN option is not supported; use ANALYZE, VERBOSE, BUFFERS, COSTS, SETTINGS, \
         SUMMARY, TIMING, WAL or FORMAT TEXT|JSON"
    )]
    ExplainOption,
    /// A name on the list of what is never allowed.
    #[error("{0} is not allowed here")]
    Denied(String),
    /// Parentheses that do not match: such a text could break out of its wrapper.
    #[error("the parentheses do not match")]
    Unbalanced,
    /// Text that has no end as SQL.
    #[error("{0}")]
    Lexical(#[from] LexicalFault),
}

/// One page of a statement's rows, as it goes to PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What is sent.
    pub sql: String,
    /// Where the caller's text begins in `sql`, in characters; `None`: none of it is in there.
    pub prefix_chars: Option<usize>,
    /// Where the caller's text ends in `sql`, in characters.
    pub body_end_chars: Option<usize>,
    /// Characters of the caller's text in front of what was sent of it (comments, EXPLAIN).
    pub skipped_chars: usize,
    /// Rows that come and stand in front of the page: PostgreSQL takes no OFFSET there.
    pub skipped_rows: u64,
}

impl Page {
    /// A statement that comes whole, and in which nothing is the caller's.
    fn of_our_own(sql: String) -> Self {
        Self { sql, prefix_chars: None, body_end_chars: None, skipped_chars: 0, skipped_rows: 0 }
    }

    /// A position that PostgreSQL gave (1-based, in characters of `sql`) as a position in the
    /// caller's text; `None` where it points at nothing that the caller wrote.
    #[must_use]
    pub fn position_in(&self, text: &str, position: u32) -> Option<usize> {
        let sent = usize::try_from(position).ok()?.checked_sub(self.prefix_chars?)?;
        let place = sent + self.skipped_chars;
        Some(place.clamp(1, text.chars().count().max(1)))
    }

    /// Does a position that PostgreSQL gave lie behind the caller's text? Then what it complains
    /// about is the wrapper's, and what it means is that the text ended too early.
    #[must_use]
    pub fn is_behind(&self, position: u32) -> bool {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        self.body_end_chars.is_some_and(|end| position > end)
    }
}

impl<'t> Statement<'t> {
    /// Finds the one statement of a text and judges whether it may run as a read.
    ///
    /// # Errors
    /// [`Refusal`], in words for the model that sent the text.
    pub fn read(text: &'t str) -> Verdict<'t> {
        let found = the_one(text)?;
        Ok(Self { kind: read(text, &found)? })
    }

    /// Finds the one statement of a text and judges whether it may run for somebody who may write.
    ///
    /// # Errors
    /// [`Refusal`], in words for the model that sent the text.
    pub fn read_or_change(text: &'t str) -> Verdict<'t> {
        let found = the_one(text)?;
        if let Some(command) = change::command(&found)? {
            let (body, start) = body(text, &found);
            return Ok(Self { kind: Kind::Change { command, body, start } });
        }
        let kind = read(text, &found).map_err(|refusal| match refusal {
            Refusal::NotARead(word) => Refusal::NeverAChange(word),
            other => other,
        })?;
        Ok(Self { kind })
    }

    /// What it does if it is no read, in the words of PostgreSQL's command tags.
    #[must_use]
    pub fn change(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Change { command, .. } => Some(command),
            Kind::Query { .. } | Kind::Explain { .. } | Kind::Show { .. } | Kind::ShowAll => None,
        }
    }

    /// The statement as it is sent, for `limit` rows from `offset` on. What takes no LIMIT (EXPLAIN,
    /// SHOW, a change and its RETURNING) comes whole; of the first two, the page says how many rows
    /// stand in front of it.
    #[must_use]
    pub fn page(&self, limit: u64, offset: u64) -> Page {
        const OPEN: &str = "SELECT * FROM (\n";
        match &self.kind {
            Kind::Query { body, start } => Page {
                sql: format!("{OPEN}{body}\n) AS q LIMIT {limit} OFFSET {offset}"),
                prefix_chars: Some(OPEN.len()),
                body_end_chars: Some(OPEN.len() + body.chars().count()),
                skipped_chars: *start,
                skipped_rows: 0,
            },
            Kind::Explain { options, body, start } => {
                let lead = format!("EXPLAIN ({options}) {OPEN}");
                Page {
                    sql: format!("{lead}{body}\n) AS q"),
                    prefix_chars: Some(lead.len()),
                    body_end_chars: Some(lead.len() + body.chars().count()),
                    skipped_chars: *start,
                    skipped_rows: offset,
                }
            }
            Kind::Show { name } => {
                let (setting, column) = (quote_literal(name), crate::quote_identifier(name));
                let sql = format!("SELECT pg_catalog.current_setting({setting}) AS {column}");
                Page { skipped_rows: offset, ..Page::of_our_own(sql) }
            }
            Kind::ShowAll => {
                let sql = format!(
                    "SELECT name, setting, short_desc AS description FROM pg_catalog.pg_settings \
                     ORDER BY name LIMIT {limit} OFFSET {offset}"
                );
                Page::of_our_own(sql)
            }
            Kind::Change { body, start, .. } => {
                let sent = Page::of_our_own((*body).to_owned());
                Page { prefix_chars: Some(0), skipped_chars: *start, ..sent }
            }
        }
    }

    /// The first word of a read, or what a change does: for the record.
    #[must_use]
    pub fn command(&self) -> &'static str {
        match self.kind {
            Kind::Query { .. } => "SELECT",
            Kind::Explain { .. } => "EXPLAIN",
            Kind::Show { .. } | Kind::ShowAll => "SHOW",
            Kind::Change { command, .. } => command,
        }
    }

    /// Is this SHOW of a name? An unknown one is then most likely a sentence ("Show tables").
    #[must_use]
    pub fn is_show(&self) -> bool {
        matches!(self.kind, Kind::Show { .. })
    }
}

/// The tokens of the one statement that a text holds: without its semicolon, with parentheses
/// that match, and without a name that is never allowed.
fn the_one(text: &str) -> Result<Vec<Placed<'_>>, Refusal> {
    let mut found = match tokens(text) {
        Ok(found) => found,
        // An apostrophe opens a literal that nobody closes.
        Err(_) if is_sentence(text) => return Err(Refusal::Sentence),
        Err(fault) => return Err(fault.into()),
    };
    cut_semicolon(&mut found)?;
    check_parentheses(&found)?;
    match found.iter().find_map(denied) {
        Some(name) => Err(Refusal::Denied(name)),
        None => Ok(found),
    }
}

/// Does a text that has no end as SQL not even begin like SQL? Nothing in it is run.
fn is_sentence(text: &str) -> bool {
    let is_letter = |c: char| c.is_alphabetic();
    let first = text.trim_start().split(|c| !is_letter(c)).next().unwrap_or_default();
    let first = first.to_ascii_lowercase();
    let begins = ["select", "values", "table", "with", "explain"].contains(&&*first);
    !first.is_empty() && !begins && !COMMANDS.contains(&&*first)
}

fn read<'t>(text: &'t str, found: &[Placed<'t>]) -> Result<Kind<'t>, Refusal> {
    match leading_word(found)? {
        "explain" => explained(text, found),
        "show" => shown(found),
        _ => {
            check_query(found)?;
            let (body, start) = body(text, found);
            Ok(Kind::Query { body, start })
        }
    }
}

/// Takes one semicolon off the end; another one, or anything behind it, is a second statement.
fn cut_semicolon(found: &mut Vec<Placed<'_>>) -> Result<(), Refusal> {
    let semicolon = |placed: &Placed<'_>| placed.token == Token::Symbol(';');
    match found.iter().position(semicolon) {
        Some(place) if place + 1 == found.len() => {
            found.pop();
            Ok(())
        }
        Some(_) => Err(Refusal::Several),
        None => Ok(()),
    }
}

fn check_parentheses(found: &[Placed<'_>]) -> Result<(), Refusal> {
    let mut depth = 0_usize;
    for placed in found {
        match placed.token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth = depth.checked_sub(1).ok_or(Refusal::Unbalanced)?,
            _ => {}
        }
    }
    if depth == 0 { Ok(()) } else { Err(Refusal::Unbalanced) }
}

fn denied(placed: &Placed<'_>) -> Option<String> {
    match &placed.token {
        Token::Word(name) | Token::Quoted(name) if is_denied(name) => Some(name.to_string()),
        _ => None,
    }
}

/// The first word; `(` counts as the query that it opens.
fn leading_word<'a>(found: &'a [Placed<'_>]) -> Result<&'a str, Refusal> {
    match found.first().map(|placed| &placed.token) {
        None => Err(Refusal::Empty),
        Some(Token::Word(word)) => Ok(word),
        Some(Token::Symbol('(')) => Ok("("),
        Some(_) => Err(Refusal::Sentence),
    }
}

/// Words that begin a statement of PostgreSQL which is no read. Any other first word is a sentence.
const COMMANDS: [&str; 52] = [
    "abort",
    "alter",
    "analyse",
    "analyze",
    "begin",
    "call",
    "checkpoint",
    "close",
    "cluster",
    "comment",
    "commit",
    "copy",
    "create",
    "deallocate",
    "declare",
    "delete",
    "discard",
    "do",
    "drop",
    "end",
    "execute",
    "fetch",
    "grant",
    "import",
    "insert",
    "listen",
    "load",
    "lock",
    "merge",
    "move",
    "notify",
    "prepare",
    "reassign",
    "refresh",
    "reindex",
    "release",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "security",
    "set",
    "start",
    "truncate",
    "unlisten",
    "update",
    "vacuum",
    "upsert",
    "replace",
    "use",
    "describe",
    "pragma",
];

fn check_query(found: &[Placed<'_>]) -> Result<(), Refusal> {
    match leading_word(found)? {
        "select" | "values" | "table" | "with" | "(" => Ok(()),
        word if COMMANDS.contains(&word) => Err(Refusal::NotARead(word.to_ascii_uppercase())),
        _ => Err(Refusal::Sentence),
    }
}

/// The text from the first token to the last, and how many characters stand in front of it.
fn body<'t>(text: &'t str, found: &[Placed<'_>]) -> (&'t str, usize) {
    let start = found.first().map_or(0, |placed| placed.start);
    let end = found.last().map_or(start, |placed| placed.end);
    (&text[start..end], text[..start].chars().count())
}

fn explained<'t>(text: &'t str, found: &[Placed<'_>]) -> Result<Kind<'t>, Refusal> {
    let (options, taken) = explain::options(text, &found[1..])?;
    let inner = &found[1 + taken..];
    check_query(inner).map_err(|refusal| match refusal {
        Refusal::Empty => Refusal::Sentence,
        other => other,
    })?;
    let (body, start) = body(text, inner);
    Ok(Kind::Explain { options, body, start })
}

/// SHOW takes a name such as `work_mem`, `mcp.roles` or `time zone`; more words are a sentence.
fn shown<'t>(found: &[Placed<'_>]) -> Result<Kind<'t>, Refusal> {
    let rest = &found[1..];
    let words: Vec<&str> = rest
        .iter()
        .filter_map(|placed| match &placed.token {
            Token::Word(word) | Token::Quoted(word) => Some(&**word),
            Token::Symbol('.') => Some("."),
            _ => None,
        })
        .collect();
    if words.len() != rest.len() {
        return Err(Refusal::Sentence);
    }
    let name = match words.as_slice() {
        ["all"] => return Ok(Kind::ShowAll),
        ["time", "zone"] => "timezone".to_owned(),
        ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
        ["session", "authorization"] => "session_authorization".to_owned(),
        [name] => (*name).to_owned(),
        [space, ".", name] => format!("{space}.{name}"),
        _ => return Err(Refusal::Sentence),
    };
    Ok(Kind::Show { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Refusal {
        Statement::read(text).unwrap_err()
    }

    #[test]
    fn one_statement_stays_one_statement() {
        for text in ["SELECT 1; SELECT 2", "SELECT 1;;", "SELECT 1; COMMIT; DROP TABLE t", ";"] {
            assert!(matches!(refusal(text), Refusal::Several | Refusal::Empty), "{text}");
        }
        for text in ["SELECT ';'", "SELECT 1;", "SELECT 1; -- done", "SELECT $$;$$ /* ; */;"] {
            assert!(Statement::read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_text_cannot_break_out_of_its_wrapper() {
        for text in
            ["SELECT 1) AS a, (SELECT 2", "SELECT 1)", "(SELECT 1", "SELECT 1 -- )\n) AS q; --"]
        {
            assert_eq!(refusal(text), Refusal::Unbalanced, "{text}");
        }
    }

    #[test]
    fn what_is_no_read_is_named() {
        for (text, word) in [
            ("INSERT INTO t VALUES (1)", "INSERT"),
            ("/* SELECT */ commit", "COMMIT"),
            ("--x\nSET TRANSACTION READ WRITE", "SET"),
            ("DO $$ BEGIN END $$", "DO"),
            ("EXPLAIN ANALYZE DELETE FROM t", "DELETE"),
            ("EXPLAIN (ANALYZE) UPDATE t SET a = 1", "UPDATE"),
        ] {
            assert_eq!(refusal(text), Refusal::NotARead(word.into()), "{text}");
        }
    }

    #[test]
    fn a_sentence_is_told_that_it_is_one() {
        for text in [
            "Show me all active users",
            "How many orders are there?",
            "explain why sales fell",
            "What's the total?",
            "Show me the customers' names",
            "how many 5star reviews",
            "\"users\"",
            "42",
        ] {
            assert_eq!(refusal(text), Refusal::Sentence, "{text}");
        }
        assert!(Statement::read("Show tables").unwrap().is_show());
    }

    #[test]
    fn a_denied_name_is_refused_in_every_spelling() {
        for text in [
            "SELECT pg_sleep(10)",
            "SELECT PG_SLEEP (10)",
            "SELECT pg_catalog.\"pg_sleep\"(10)",
            r#"SELECT U&"pg\005fsleep"(10)"#,
            r#"SELECT U&"pg!005fsleep" UESCAPE '!' (10)"#,
            "SELECT * FROM query_to_xml('DELETE FROM t', true, true, '')",
            "SELECT table_to_xml('t', true, true, '')",
            "SELECT * FROM dblink_connect('x')",
            "SELECT set_config('transaction_read_only', 'off', false)",
            "SELECT pg_terminate_backend(1)",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT lo_import('/etc/passwd')",
            "EXPLAIN ANALYZE SELECT pg_advisory_lock(1)",
        ] {
            assert!(matches!(refusal(text), Refusal::Denied(_)), "{text}");
        }
        for text in [
            "SELECT brin_summarize_new_values('i')",
            "SELECT gin_clean_pending_list('i')",
            "SELECT query FROM pg_stat_activity",
        ] {
            assert!(matches!(refusal(text), Refusal::Denied(_)), "{text}");
        }
        assert!(Statement::read("SELECT 'pg_sleep(10)', pg_create_date, x_to_xml FROM t").is_ok());
    }

    #[test]
    fn explain_is_rebuilt_from_its_options() {
        let statement = Statement::read("EXPLAIN (ANALYZE, BUFFERS) SELECT 1;").unwrap();
        assert_eq!(
            statement.page(10, 0).sql,
            "EXPLAIN (ANALYZE true, VERBOSE false, BUFFERS true, SETTINGS false, FORMAT TEXT) \
             SELECT * FROM (\nSELECT 1\n) AS q"
        );
        let every =
            "EXPLAIN (ANALYSE 1, COSTS off, TIMING 0, SUMMARY false, WAL, FORMAT json) TABLE t";
        assert_eq!(
            Statement::read(every).unwrap().page(10, 0).sql,
            "EXPLAIN (ANALYZE true, VERBOSE false, BUFFERS false, SETTINGS false, COSTS false, TIMING false, \
             SUMMARY false, WAL true, FORMAT JSON) SELECT * FROM (\nTABLE t\n) AS q"
        );
        assert!(Statement::read("EXPLAIN (SELECT 1)").is_ok());
        assert!(Statement::read("EXPLAIN ANALYZE VERBOSE TABLE t").is_ok());
        for text in [
            "EXPLAIN (ANALYZE, SERIALIZE) SELECT 1",
            "EXPLAIN (GENERIC_PLAN) SELECT 1",
            "EXPLAIN (COSTS maybe) SELECT 1",
            "EXPLAIN (FORMAT) SELECT 1",
            "EXPLAIN (FORMAT xml) SELECT 1",
            "EXPLAIN (ANALYZE 2) SELECT 1",
            "EXPLAIN (ANALYZE true false) SELECT 1",
            "EXPLAIN (ANALYZE",
        ] {
            let refusal = refusal(text);
            assert!(matches!(refusal, Refusal::ExplainOption | Refusal::Unbalanced), "{text}");
        }
    }

    #[test]
    fn show_becomes_a_read_of_the_setting() {
        let sql = |text| Statement::read(text).unwrap().page(100, 0).sql;
        assert_eq!(
            sql("SHOW work_mem"),
            r#"SELECT pg_catalog.current_setting('work_mem') AS "work_mem""#
        );
        assert_eq!(
            sql("show time zone;"),
            r#"SELECT pg_catalog.current_setting('timezone') AS "timezone""#
        );
        assert!(sql("SHOW ALL").contains("pg_settings"));
    }

    #[test]
    fn a_position_points_into_the_text_that_was_sent() {
        let text = "/* ü */ SELECT nope";
        let page = Statement::read(text).unwrap().page(10, 0);
        let wrong = page.sql.find("nope").unwrap() + 1;
        let position = page.position_in(text, u32::try_from(wrong).unwrap()).unwrap();
        assert_eq!(text.chars().skip(position - 1).collect::<String>(), "nope");
        assert_eq!(page.position_in(text, 9_999), Some(text.chars().count()));
    }
}
