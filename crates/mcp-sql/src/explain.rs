//! EXPLAIN, rebuilt from its options: what was written is never passed on, because
//! `EXPLAIN ANALYZE SELECT … INTO t` would run a write that no wrapper sees.

use std::fmt;

use crate::lexer::{Placed, Token};
use crate::statement::Refusal;

/// The options of EXPLAIN that are passed on. `None`: as PostgreSQL would have it.
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
    /// Shows what the planner expects. On unless said otherwise.
    pub costs: Option<bool>,
    /// Shows the time of each node. On with `analyze` unless said otherwise.
    pub timing: Option<bool>,
    /// Shows the times of planning and running. On with `analyze` unless said otherwise.
    pub summary: Option<bool>,
    /// Shows what was written ahead; only with `analyze`.
    pub wal: Option<bool>,
    /// `FORMAT`: text unless said otherwise.
    pub json: bool,
}

impl fmt::Display for ExplainOptions {
    /// As in `ANALYZE true, VERBOSE false, …`, ready to stand in parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { analyze, verbose, buffers, settings, costs, timing, summary, wal, json } = self;
        write!(f, "ANALYZE {analyze}, VERBOSE {verbose}, BUFFERS {buffers}, SETTINGS {settings}")?;
        let given = [("COSTS", costs), ("TIMING", timing), ("SUMMARY", summary), ("WAL", wal)];
        for (name, on) in given {
            if let Some(on) = on {
                write!(f, ", {name} {on}")?;
            }
        }
        let format = if *json { "JSON" } else { "TEXT" };
        write!(f, ", FORMAT {format}")
    }
}

/// Reads what stands between EXPLAIN and its statement: `tokens` of `text`. Gives the options and
/// how many tokens they take.
pub(crate) fn options(
    text: &str,
    tokens: &[Placed<'_>],
) -> Result<(ExplainOptions, usize), Refusal> {
    let mut options = ExplainOptions::default();
    if !matches!(tokens.first().map(|placed| &placed.token), Some(Token::Symbol('('))) {
        return Ok(plain_options(tokens, options));
    }
    // `EXPLAIN (SELECT …)` explains a query in parentheses; options are words that are none.
    if !word(tokens, 1).is_some_and(is_option) {
        return Ok((options, 0));
    }
    let mut at = 1;
    loop {
        let name = word(tokens, at).ok_or(Refusal::ExplainOption)?;
        at += 1;
        let value = tokens.get(at).and_then(|placed| match &placed.token {
            Token::Word(word) => Some(&**word),
            Token::Number => Some(&text[placed.start..placed.end]),
            _ => None,
        });
        at += usize::from(value.is_some());
        set(&mut options, name, value).ok_or(Refusal::ExplainOption)?;
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

/// Is it an option, of whatever server? No query begins with one of these words.
fn is_option(word: &str) -> bool {
    !matches!(word, "select" | "values" | "table" | "with")
}

/// `None` for an option or a value that is not passed on.
fn set(options: &mut ExplainOptions, name: &str, value: Option<&str>) -> Option<()> {
    if name == "format" {
        options.json = match value? {
            "text" => false,
            "json" => true,
            _ => return None,
        };
        return Some(());
    }
    let on = match value {
        None | Some("true" | "on" | "1") => true,
        Some("false" | "off" | "0") => false,
        Some(_) => return None,
    };
    match name {
        "analyze" | "analyse" => options.analyze = on,
        "verbose" => options.verbose = on,
        "settings" => options.settings = on,
        "buffers" => options.buffers = on,
        "costs" => options.costs = Some(on),
        "timing" => options.timing = Some(on),
        "summary" => options.summary = Some(on),
        "wal" => options.wal = Some(on),
        _ => return None,
    }
    Some(())
}
