//! Prints the OpenAPI document: `cargo xtask schema` writes it into `docs/openapi.json`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(mcp_accounts_http::openapi().as_bytes())
}
