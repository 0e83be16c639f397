//! What an operator meets: files on disk, an environment, flags; a configuration or an error.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod databases;
mod environment;
mod file;
mod jwt;
mod mail;
mod precedence;
mod report;
mod source_examples;
mod users;

use std::path::PathBuf;

use mcp_config::{ConfigError, Loaded, Sources, load};
use tempfile::TempDir;

/// Three sources in a directory of their own.
struct Setup {
    sources: Sources,
    folder: TempDir,
}

impl Setup {
    fn new() -> Self {
        let sources = Sources { beside: "/opt/mcp".into(), ..Sources::default() };
        Self { sources, folder: tempfile::tempdir().unwrap() }
    }

    fn with_file(name: &str, text: &str) -> Self {
        let mut setup = Self::new();
        setup.sources.file = Some(setup.write(name, text));
        setup
    }

    fn yaml(text: &str) -> Self {
        Self::with_file("mcp-server.yaml", text)
    }

    fn environment(pairs: &[(&str, &str)]) -> Self {
        let mut setup = Self::new();
        setup.set(pairs);
        setup
    }

    fn set(&mut self, pairs: &[(&str, &str)]) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.sources.environment.extend(pairs);
    }

    fn flag(&mut self, key: &'static str, value: &str) {
        self.sources.flags.push((key, value.to_owned()));
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(&self) -> Loaded {
        load(&self.sources).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(&self) -> ConfigError {
        load(&self.sources).unwrap_err()
    }

    /// The error as printed, with the directory cut out.
    fn message(&self) -> String {
        let folder = format!("{}/", self.folder.path().display());
        self.refused().to_string().replace(&folder, "")
    }

    fn hint(&self) -> String {
        self.refused().hint().unwrap_or_default().to_owned()
    }
}
