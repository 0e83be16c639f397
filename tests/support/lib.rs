//! What the behaviour tests share: start a server, speak to it, run the command lines.

#![expect(clippy::expect_used, reason = "a step that fails is a failed test")]

mod binaries;
pub mod clients;
mod fixture;
mod http;
mod installation;
mod journal;
mod mail_server;
mod process;
pub mod schema;

pub use binaries::binary;
pub use fixture::FixtureServer;
pub use http::{Request, Response};
pub use installation::{Installation, query, query_message};
pub use journal::{Journal, Sender, Turn};
pub use mail_server::MailServer;
pub use process::ServerProcess;

/// Tries until it is so, for as long as any test should wait. Word of a change takes a moment.
#[must_use]
pub fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < deadline {
        if is_so() {
            return true;
        }
        // Leaves the processor to what is waited for.
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
    false
}

/// What the product offers, in the order of `tools/list`.
pub const TOOLS: [&str; 6] = [
    "query_database",
    "get_schema_info",
    "execute_explain",
    "count_rows",
    "list_databases",
    "read_resource",
];
