//! The tool of the operator.

fn main() {}
