//! Writes one of the generated files to standard output; `cargo xtask schema` calls it.

use std::io::{self, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    let text = match std::env::args().nth(1).as_deref() {
        Some("schema") => mcp_config::schema_json(),
        Some("reference") => mcp_config::reference_markdown(),
        _ => return ExitCode::from(64),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
