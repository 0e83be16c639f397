//! One PostgreSQL connection: DSN forms, TLS, masking, the wire of one statement
