//! The credential files of one server
