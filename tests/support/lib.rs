//! What the behaviour tests share: start a server, speak to it, run the command lines.

#![expect(clippy::expect_used, reason = "a step that fails is a failed test")]

mod binaries;
pub mod clients;
mod fixture;
mod http;
mod installation;
mod process;
pub mod schema;

pub use binaries::binary;
pub use fixture::FixtureServer;
pub use http::{Request, Response};
pub use installation::Installation;
pub use process::ServerProcess;
