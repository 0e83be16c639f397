//! `config`: what is in force, and what may be written.

use std::fmt::Write as _;

use mcp_config::Sources;
use serde_json::{Value, json};

use crate::cli::ConfigCommand;
use crate::configuration;
use crate::output::{Fault, Output, escaped};

pub(crate) fn run(command: &ConfigCommand, sources: &Sources, output: Output) -> Result<(), Fault> {
    match command {
        ConfigCommand::Schema => schema(output),
        ConfigCommand::Show => show(sources, output),
    }
}

fn schema(output: Output) -> Result<(), Fault> {
    // The schema is JSON in either form.
    let text = mcp_config::schema_json();
    let document = serde_json::from_str(&text).map_err(|error| Fault::ours(error.to_string()))?;
    output.show(&text, &document)
}

fn show(sources: &Sources, output: Output) -> Result<(), Fault> {
    let loaded = configuration(sources)?;
    let shown = mcp_config::show(&loaded);
    let width = shown.iter().map(|line| line.key.len()).max().unwrap_or(0);
    let mut text = String::new();
    for line in &shown {
        let (value, origin) = (escaped(&line.value), escaped(&line.origin.to_string()));
        let _ = writeln!(text, "{:width$}  {value}  ({origin})", line.key);
    }
    let settings: Vec<Value> = shown
        .iter()
        .map(|line| {
            json!({ "key": line.key, "value": line.value, "origin": line.origin.to_string() })
        })
        .collect();
    output.show(&text, &json!({ "settings": settings }))
}
