//! The first two documents whose formats are kept (user management, and the guide to
//! authentication), from top to bottom: each command and each request that they print, run as it
//! is printed, and its output held against the one that stands beside it.
//!
//! What is replaced: the program (`./bin/pgedge-mcp-server` is `mcp-admin` for commands of an
//! operator, `mcp-server` for serving; decisions 1 and 2), the names of its files, `/path/to`, the
//! port, and in an output whatever no two runs have in common: times, ids, hashes, tokens.
//!
//! What is left out, and why:
//! - the sample in Go: no Go compiler is among the tools of this project, and what it sends is
//!   what the other two samples send;
//! - `nano`: the file is written as an editor writes it, once in place and once by renaming;
//! - `https://localhost:8080` in front of a request: sent in the clear, since nothing in it depends
//!   on TLS; the line that starts a server with a certificate is run, and asked over HTTPS;
//! - "within 100ms": a time is measured in a benchmark;
//! - the parts that describe the other program's inside (fsnotify, `sync.RWMutex`, links to its
//!   code) and the advice: they print nothing to run.

mod logins;
mod place;
mod reloading;
mod requests;
mod settings;
mod start;
mod tokens;
mod trouble;
mod users;
