//! A file that changed, settled and parsed; the last good one stays
