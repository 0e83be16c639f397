//! The lexer of SQL and the verdict: what is let pass stays inside its wrapper, however it is read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_sql::{Condition, Statement, quote_identifier, quote_literal};

fuzz_target!(|input: &str| {
    if let Ok(statement) = Statement::read(input) {
        assert_eq!(statement.change(), None, "a read that changes");
        stays_inside(&statement, input);
        // Who may write may do whatever others may.
        let of_a_writer = Statement::read_or_change(input);
        assert!(of_a_writer.is_ok(), "a writer may not read");
    }
    if let Ok(statement) = Statement::read_or_change(input)
        && statement.change().is_some()
    {
        let sent = statement.page(1, 0).sql;
        assert!(input.contains(&sent), "a change that nobody wrote");
        let again = Statement::read_or_change(&sent).expect("what is sent is what was judged");
        assert_eq!(again.change(), statement.change());
        // A WITH that changes is PostgreSQL's to refuse: it does not fit into the wrapper.
        let is_with = sent.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("with"));
        assert!(is_with || Statement::read(input).is_err(), "a change that passes for a read");
    }
    if let Ok(condition) = Condition::parse(input) {
        let text = format!("SELECT 1 WHERE (\n{}\n)", condition.text());
        // Parentheses around it neither open nor close anything in it.
        if let Err(refusal) = Statement::read(&text) {
            let denied = matches!(refusal, mcp_sql::Refusal::Denied(_));
            assert!(denied, "a condition that leaves its parentheses: {refusal}");
        }
    }
    stays_quoted(input);
});

/// The wrapped text is one statement too, and so is that, wrapped again.
fn stays_inside(statement: &Statement<'_>, input: &str) {
    let page = statement.page(7, 3);
    let wrapped = Statement::read(&page.sql);
    assert!(wrapped.is_ok(), "{:?} is not one statement: {wrapped:?}", page.sql);
    for position in [0, 1, 20, u32::MAX] {
        if let Some(place) = page.position_in(input, position) {
            assert!((1..=input.chars().count().max(1)).contains(&place));
        }
    }
}

/// A quoted text is one token, whatever it holds.
fn stays_quoted(input: &str) {
    if input.is_empty() || input.contains('\0') {
        return;
    }
    let text = format!("SELECT {} AS {}", quote_literal(input), quote_identifier(input));
    match Statement::read(&text) {
        Ok(statement) => assert_eq!(statement.command(), "SELECT"),
        Err(refusal) => assert!(matches!(refusal, mcp_sql::Refusal::Denied(_)), "{refusal}"),
    }
}
