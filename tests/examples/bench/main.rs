//! `cargo xtask bench`: the product measured, each part by itself.
//!
//! | part | what is measured |
//! |---|---|
//! | `load` | the server beside a bare one that does the least |
//! | `query` | one query, beside bare servers and other people's |
//! | `neighbours` | what one principal's work leaves to another, and how much memory it takes |
//! | `dispatch` | one message without a socket |
//! | `credentials` | a hundred thousand tokens: checked, loaded, reloaded |
//! | `storm` | what many logins leave to those who have a token |
//! | `accounts` | sessions checked, logins beside their hashes, and what their time tells |
//! | `servers` | several servers on one PostgreSQL, and a million sessions in it |
//!
//! Prints the tables of the part that it was called with. Behind `servers`, another number of
//! sessions may be named, for trying things out. These machines are shared, so what is compared is
//! measured in turn, one right after the other.

mod accounts;
mod connection;
mod credentials;
mod dispatch;
mod load;
mod neighbours;
mod peers;
mod probe;
mod process;
mod query;
mod servers;
mod storm;
mod wrk;

use std::error::Error;
use std::time::Duration;

const USAGE: &str =
    "usage: bench load|query|neighbours|dispatch|credentials|storm|accounts|servers [SESSIONS]";

fn main() -> Result<(), Box<dyn Error>> {
    let part = std::env::args().nth(1).unwrap_or_default();
    let out = &mut std::io::stdout().lock();
    match part.as_str() {
        "load" => load::report(out),
        "query" => query::report(out),
        "neighbours" => neighbours::report(out),
        "dispatch" => dispatch::report(out),
        "credentials" => credentials::report(out),
        "storm" => storm::report(out),
        "accounts" => accounts::report(out),
        "servers" => servers::report(out, std::env::args().nth(2).as_deref()),
        _ => Err(USAGE.into()),
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
