//! The layers through tower, as an embedder stacks them. Each attack that was ever thought of is
//! kept as a test of its name.

#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod authenticate;
mod axum;
mod client_address;
mod elsewhere;
mod host_origin;
mod leased_body;
mod limits;
mod request_id;
mod secrets;
mod stack;
mod support;
