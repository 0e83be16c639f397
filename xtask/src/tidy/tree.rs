//! The text of the tree, read once.

use std::fs;
use std::path::Path;

use super::manifest::Manifest;
use super::rust::RustText;
use crate::shell::Failure;

/// Folders whose content is not ours or not written by hand.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", ".venv", "__pycache__"];

/// Every text file of the tree, by its path relative to the root.
pub(crate) struct Tree {
    files: Vec<TextFile>,
}

pub(super) struct TextFile {
    pub(super) path: String,
    pub(super) text: String,
}

/// A package of the workspace.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(super) manifest_path: String,
    pub(super) manifest: Manifest,
}

impl Tree {
    /// Reads what stands below `root`. A file that is not UTF-8 is not text, and left out.
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let mut files = Vec::new();
        collect(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| TextFile {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Self { files: files.iter().map(file).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn files(&self) -> &[TextFile] {
        &self.files
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Every Rust file with its text taken apart.
    pub(super) fn rust_files(&self) -> impl Iterator<Item = (&str, RustText<'_>)> {
        let is_rust = |file: &&TextFile| Path::new(&file.path).extension() == Some("rs".as_ref());
        self.files
            .iter()
            .filter(is_rust)
            .map(|file| (file.path.as_str(), RustText::new(&file.text)))
    }

    /// The packages that the workspace lists: one below `crates` and `bins`, `xtask`, `tests`.
    pub(super) fn members(&self) -> Vec<Member> {
        let manifest = |file: &TextFile| {
            let folder = file.path.strip_suffix("/Cargo.toml")?;
            let parts: Vec<&str> = folder.split('/').collect();
            let listed = matches!(parts[..], ["crates" | "bins", _] | ["xtask" | "tests"]);
            listed.then(|| Manifest::parse(&file.text))?.name().map(|name| Member {
                name: name.to_owned(),
                manifest_path: file.path.clone(),
                manifest: Manifest::parse(&file.text),
            })
        };
        self.files.iter().filter_map(manifest).collect()
    }
}

fn collect(dir: &Path, below: &str, files: &mut Vec<TextFile>) -> Result<(), Failure> {
    for entry in fs::read_dir(dir).map_err(Failure::file(dir))? {
        let entry = entry.map_err(Failure::file(dir))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let kind = entry.file_type().map_err(Failure::file(&entry.path()))?;
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            collect(&entry.path(), &path, files)?;
        } else if kind.is_file() {
            // Gone since the folder was listed, or not text: neither is for us to judge.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                files.push(TextFile { path, text });
            }
        }
    }
    Ok(())
}
