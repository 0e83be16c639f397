//! EXPLAIN, rebuilt from its options: what was written is never passed on, because
//! `EXPLAIN ANALYZE SELECT … INTO t` would run a write that no wrapper sees.

use std::fmt;

use crate::lexer::{Placed, Token};
use crate::statement::Refusal;

/// The options of EXPLAIN that are passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "PostgreSQL's own independent options")]
pub struct ExplainOptions {
    /// Runs the statement and shows what it took.
    pub analyze: bool,
    /// Shows output columns and more.
    pub verbose: bool,
    /// Shows buffer use.
    pub buffers: bool,
    /// Shows settings that differ from their defaults.
    pub settings: bool,
    /// `FORMAT`: text unless said otherwise.
    pub json: bool,
}

impl fmt::Display for ExplainOptions {
    /// As in `ANALYZE true, VERBOSE false, …`, ready to stand in parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { analyze, verbose, buffers, settings, json } = self;
        let format = if *json { "JSON" } else { "TEXT" };
        write!(
            f,
            "ANALYZE {analyze}, VERBOSE {verbose}, BUFFERS {buffers}, SETTINGS {settings}, \
             FORMAT {format}"
        )
    }
}

/// Reads what stands between EXPLAIN and its statement. Gives the options and how many tokens
/// they take.
pub(crate) fn options(tokens: &[Placed<'_>]) -> Result<(ExplainOptions, usize), Refusal> {
    let mut options = ExplainOptions::default();
    if !matches!(tokens.first().map(|placed| &placed.token), Some(Token::Symbol('('))) {
        return Ok(plain_options(tokens, options));
    }
    // `EXPLAIN (SELECT …)` explains a query in parentheses; options are words that are none.
    if !matches!(word(tokens, 1), Some(name) if set(&mut options, name, true).is_some()) {
        return Ok((ExplainOptions::default(), 0));
    }
    options = ExplainOptions::default();
    let mut at = 1;
    loop {
        let name = word(tokens, at).ok_or(Refusal::ExplainOption)?;
        at += 1;
        let on = match word(tokens, at) {
            Some("true" | "on") => Some(true),
            Some("false" | "off") => Some(false),
            Some("text") if name == "format" => Some(false),
            Some("json") if name == "format" => Some(true),
            Some(_) => return Err(Refusal::ExplainOption),
            None => None,
        };
        at += usize::from(on.is_some());
        set(&mut options, name, on.unwrap_or(true)).ok_or(Refusal::ExplainOption)?;
        match tokens.get(at).map(|placed| &placed.token) {
            Some(Token::Symbol(',')) => at += 1,
            Some(Token::Symbol(')')) => return Ok((options, at + 1)),
            _ => return Err(Refusal::ExplainOption),
        }
    }
}

/// The old form: `EXPLAIN ANALYZE VERBOSE …`.
fn plain_options(tokens: &[Placed<'_>], mut options: ExplainOptions) -> (ExplainOptions, usize) {
    let mut taken = 0;
    if matches!(word(tokens, taken), Some("analyze" | "analyse")) {
        options.analyze = true;
        taken += 1;
    }
    if word(tokens, taken) == Some("verbose") {
        options.verbose = true;
        taken += 1;
    }
    (options, taken)
}

fn word<'a>(tokens: &'a [Placed<'_>], at: usize) -> Option<&'a str> {
    match &tokens.get(at)?.token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

/// `None` for an option that is not passed on.
fn set(options: &mut ExplainOptions, name: &str, on: bool) -> Option<()> {
    match name {
        "analyze" | "analyse" => options.analyze = on,
        "verbose" => options.verbose = on,
        "buffers" => options.buffers = on,
        "settings" => options.settings = on,
        "format" => options.json = on,
        // Harmless, and what they show is shown anyway.
        "costs" | "timing" | "summary" | "wal" => {}
        _ => return None,
    }
    Some(())
}
