//! File, environment and flags, with origins
