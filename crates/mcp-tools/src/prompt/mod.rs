//! Texts that a person picks and gives to the model. One file each.
//!
//! A prompt reads nothing: it says in which order to use the tools, and what to look for. What
//! somebody fills in stands in it as text, in a fence that it cannot close.

pub(crate) mod design_schema;
pub(crate) mod diagnose_query_issue;
pub(crate) mod explore_database;

use std::collections::BTreeMap;

use mcp_identity::Principal;
use mcp_protocol::{
    Completion, CompletionCall, Content, Failure, PromptArgument, PromptMessage, PromptResult, Role,
};

use crate::catalog::Catalog;
use crate::told::refused;

/// The argument that each prompt has.
const DATABASE: PromptArgument = PromptArgument {
    name: "database",
    title: "Database",
    description: "A configured database; without it, the default one",
    required: false,
};

/// The argument that narrows a prompt to a part of the database.
const SCHEMA: PromptArgument = PromptArgument {
    name: "schema",
    title: "Schema",
    description: "Only this schema",
    required: false,
};

/// The longest text that is filled in, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// What was filled in. What was left blank is not there.
fn filled<'a>(arguments: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    arguments.get(name).map(String::as_str).filter(|text| !text.trim().is_empty())
}

/// The words that point each tool at the database that was filled in, if one was.
fn on_database(
    catalog: &Catalog,
    principal: &Principal,
    arguments: &BTreeMap<String, String>,
) -> Result<String, Failure> {
    let Some(asked) = filled(arguments, DATABASE.name) else { return Ok(String::new()) };
    let database = catalog.databases.choose(principal, Some(asked));
    let database = database.map_err(|fault| refused(&fault))?;
    Ok(format!("\nGive every tool the argument database = {database}.\n"))
}

/// One message of a person.
fn asked(text: String) -> Result<PromptResult, Failure> {
    if text.len() > MAX_TEXT {
        let message = format!("the prompt would be longer than {MAX_TEXT} bytes");
        let error = mcp_protocol::RpcError::new(mcp_protocol::Code::InvalidParams, message);
        return Err(Failure::Refused(error));
    }
    let message = PromptMessage { role: Role::User, content: Content::Text(text) };
    Ok(PromptResult { description: None, messages: vec![message] })
}

/// A text in a fence that is longer than any in it.
fn fenced(language: &str, text: &str) -> String {
    let mut longest = 2;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// Suggestions for the arguments that prompts share.
async fn suggest(
    catalog: &Catalog,
    call: CompletionCall<'_, Principal>,
    known: &[PromptArgument],
) -> Result<Completion, Failure> {
    if !known.iter().any(|argument| argument.name == call.argument) {
        return Err(Failure::NotFound);
    }
    if call.argument == DATABASE.name {
        return Ok(catalog.complete_database(call.principal, call.value));
    }
    if call.argument == SCHEMA.name {
        let database = filled(call.arguments, DATABASE.name);
        return catalog.complete_schema(call.principal, database, call.value).await;
    }
    Ok(Completion::default())
}

#[cfg(test)]
mod tests {
    use super::fenced;

    #[test]
    fn a_text_cannot_close_its_fence() {
        assert_eq!(fenced("sql", "SELECT 1"), "```sql\nSELECT 1\n```\n");
        assert_eq!(fenced("", "a\n```\nb"), "````\na\n```\nb\n````\n");
        assert_eq!(fenced("", "`````"), "``````\n`````\n``````\n");
    }
}
