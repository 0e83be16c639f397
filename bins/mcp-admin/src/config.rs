//! `config`: what is in force, and what may be written.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::ConfigCommand;
use crate::desk::Desk;
use crate::output::{Fault, Output, escaped};

pub(crate) fn run(command: &ConfigCommand, desk: &Desk) -> Result<(), Fault> {
    match command {
        ConfigCommand::Schema => schema(desk.output),
        ConfigCommand::Show => show(desk),
    }
}

fn schema(output: Output) -> Result<(), Fault> {
    // The schema is JSON in either form.
    let text = mcp_config::schema_json();
    let document = serde_json::from_str(&text).map_err(|error| Fault::ours(error.to_string()))?;
    output.show(&text, &document)
}

fn show(desk: &Desk) -> Result<(), Fault> {
    let shown = mcp_config::show(desk.loaded()?);
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
    desk.output.show(&text, &json!({ "settings": settings }))
}
