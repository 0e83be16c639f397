//! Connections: accept, TLS, deadlines, caps, drain
