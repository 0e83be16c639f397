//! The product's behaviour as its users meet it: one file a behaviour, real parts throughout.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod accounts;
mod admin_audit;
mod admin_db;
mod admin_folder;
mod admin_misc;
mod admin_prompts;
mod admin_rotate;
mod admin_sessions;
mod admin_tokens;
mod admin_users;
mod bad_input;
mod bearer;
mod cancelling;
mod database_down;
mod databases;
mod demo;
mod documented_requests;
mod durability;
mod embedding;
mod every_type;
mod fixture;
mod fixture_clients;
mod fixture_wire;
mod hot_reload;
mod mail_sending;
mod mail_test;
mod one_server;
mod postgres_store;
mod queries;
mod readme;
mod resources;
mod results;
mod revocation;
mod sdk_clients;
mod served_folder;
mod sources;
mod start;
mod stdio;
mod storm;
mod systemd;
mod tls;
mod tools;
mod wire;
mod writes;
