//! Starts a server, prints its process id, and holds it until stdin ends.

use std::io::{Read as _, Write as _};

use mcp_testdb::Postgres;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Postgres::for_tests()?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", server.pid().unwrap_or_default())?;
    stdout.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
