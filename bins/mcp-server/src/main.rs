//! The server: PostgreSQL behind the Model Context Protocol.

fn main() {}
