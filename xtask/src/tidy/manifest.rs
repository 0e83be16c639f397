//! As much of a `Cargo.toml` as the checks need: its sections and the keys in them.
//!
//! Not a TOML parser. It knows the form that our manifests have, one key a line; what it cannot
//! read, cargo has refused or a reviewer has seen.

/// The sections of one manifest, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manifest {
    sections: Vec<(String, Vec<Entry>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    value: String,
    pub(super) line: usize,
}

impl Manifest {
    pub(super) fn parse(text: &str) -> Self {
        let mut sections: Vec<(String, Vec<Entry>)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with('#') {
                continue;
            }
            if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                sections.push((header.trim_matches('[').trim().to_owned(), Vec::new()));
            } else if let (Some((key, value)), Some((_, entries))) =
                (line.split_once('='), sections.last_mut())
            {
                let key = key.trim().trim_matches('"').to_owned();
                entries.push(Entry { key, value: value.trim().to_owned(), line: number + 1 });
            }
        }
        Self { sections }
    }

    /// The name of the package; `None` for a manifest without one, such as the workspace's.
    pub(super) fn name(&self) -> Option<&str> {
        let entries = self.section("package");
        let name = entries.into_iter().find(|entry| entry.key == "name")?;
        Some(name.value.trim_matches('"'))
    }

    /// The entries of all sections with that name.
    pub(crate) fn section(&self, name: &str) -> Vec<&Entry> {
        let named = self.sections.iter().filter(|(header, _)| header == name);
        named.flat_map(|(_, entries)| entries).collect()
    }

    /// What the package needs to be built and to run, on whatever system: the name of each
    /// dependency and the line that names it. Those of its tests and examples are not among them.
    pub(super) fn dependencies(&self) -> Vec<(String, usize)> {
        self.sections.iter().flat_map(|(header, entries)| listed(header, entries)).collect()
    }
}

fn listed(header: &str, entries: &[Entry]) -> Vec<(String, usize)> {
    for kind in ["dependencies", "build-dependencies"] {
        if header == kind
            || (header.starts_with("target.") && header.ends_with(&format!(".{kind}")))
        {
            return entries.iter().map(|entry| (package(entry), entry.line)).collect();
        }
        // `[dependencies.name]`, one dependency in a section of its own.
        if let Some(name) = header.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')) {
            return vec![(name.to_owned(), entries.first().map_or(0, |entry| entry.line - 1))];
        }
    }
    Vec::new()
}

/// The package behind a key: `name`, `name.workspace`, or `other = { package = "name" }`.
fn package(entry: &Entry) -> String {
    let renamed = entry.value.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
    let name = renamed.unwrap_or_else(|| entry.key.split('.').next().unwrap_or_default());
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
[package]
name = "mcp-pool"

[dependencies]
# a reason
mcp-connect.workspace = true
files = { package = "notify", version = "8" }
tokio = { workspace = true, features = [
  "sync",
] }

[dependencies.moka]
version = "1"

[target.'cfg(unix)'.dependencies]
rustix.workspace = true

[dev-dependencies]
insta.workspace = true

[features]
contract = []
"#;

    #[test]
    fn every_form_of_a_dependency_is_read() {
        let names: Vec<String> =
            Manifest::parse(MANIFEST).dependencies().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["mcp-connect", "notify", "tokio", "moka", "rustix"]);
    }

    #[test]
    fn a_dependency_is_told_with_its_line() {
        assert_eq!(Manifest::parse(MANIFEST).dependencies()[0], ("mcp-connect".to_owned(), 7));
    }

    #[test]
    fn a_manifest_knows_its_name_and_features() {
        let manifest = Manifest::parse(MANIFEST);
        assert_eq!(manifest.name(), Some("mcp-pool"));
        assert_eq!(manifest.section("features").len(), 1);
        assert_eq!(Manifest::parse("[workspace]\nmembers = []").name(), None);
    }
}
