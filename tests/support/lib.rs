//! What the behaviour tests share: start a server, speak to it, run the command lines.

#![expect(clippy::expect_used, reason = "a step that fails is a failed test")]

mod binaries;
mod http;
mod installation;
mod process;

pub use binaries::binary;
pub use http::{Request, Response};
pub use installation::Installation;
pub use process::ServerProcess;
