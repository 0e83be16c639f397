//! What a check found: where, what, and the way out.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Warning,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// Relative to the root of the tree.
    path: String,
    /// From 1; 0 when the whole file is meant.
    line: usize,
    message: String,
    hint: &'static str,
}

impl Finding {
    pub(super) fn error(path: &str, line: usize, message: String, hint: &'static str) -> Self {
        Self { level: Level::Error, path: path.to_owned(), line, message, hint }
    }

    pub(super) fn warning(path: &str, line: usize, message: String, hint: &'static str) -> Self {
        Self { level: Level::Warning, ..Self::error(path, line, message, hint) }
    }

    /// Warnings first, then by place.
    pub(super) fn order(&self) -> (Level, &str, usize) {
        (self.level, &self.path, self.line)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Warning => "warning",
            Level::Error => "error",
        };
        write!(out, "{level}: {}", self.path)?;
        if self.line > 0 {
            write!(out, ":{}", self.line)?;
        }
        write!(out, ": {}", self.message)?;
        if !self.hint.is_empty() {
            write!(out, " (hint: {})", self.hint)?;
        }
        Ok(())
    }
}

/// What the tests of the checks compare: each finding as it is told.
#[cfg(test)]
pub(super) fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::to_string).collect()
}
