//! Starts a server with the given cache directory, prints its process id, and holds it until
//! stdin ends.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use mcp_testdb::{Locate, Options, Postgres};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache: PathBuf = std::env::args_os().nth(1).ok_or("usage: hold_postgres CACHE")?.into();
    let locate = Locate { bin_dir: None, path: Some("/usr/local/bin:/usr/bin".into()) };
    let server = Postgres::start(&locate, &cache, Options::default())?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", server.pid().unwrap_or_default())?;
    stdout.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
