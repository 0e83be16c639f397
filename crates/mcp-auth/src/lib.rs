//! Let in, keep in, put out
