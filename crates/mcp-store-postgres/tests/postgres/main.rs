//! The stores in PostgreSQL keep what every store promises, against a real server.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod attempts;
mod audit;
mod by_hand;
mod configured;
mod connections;
mod contract;
mod last_admin;
mod people;
mod servers;
mod shapes;
mod support;
