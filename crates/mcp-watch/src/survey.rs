//! Where the files lie just now: the directories to watch, the names to look out for, and how
//! each file looks from outside.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The link that Kubernetes swaps to replace a mounted volume as a whole.
const KUBERNETES_DATA: &str = "..data";

/// Links followed from one file. More is a loop or a maze; the poll still sees the file change.
const MAX_LINKS: usize = 8;

/// What can be said about the files without opening one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The directories of each file and of each link on the way to it, as absolute real paths.
    pub(crate) directories: Vec<PathBuf>,
    /// The names in those directories whose events concern us.
    pub(crate) names: Vec<OsString>,
    /// One per file, in order; `None` for one that is not there.
    pub(crate) stamps: Vec<Option<Stamp>>,
}

impl Survey {
    /// Looks at the files. Asks the file system and may block.
    pub(crate) fn of(paths: &[PathBuf]) -> Self {
        let mut survey = Self { names: vec![KUBERNETES_DATA.into()], ..Self::default() };
        for path in paths {
            survey.follow(path);
            survey.stamps.push(Stamp::of(path));
        }
        survey
    }

    fn follow(&mut self, path: &Path) {
        let mut path = path.to_owned();
        for _ in 0..=MAX_LINKS {
            // The parent of a bare name is the empty path, which no system call accepts.
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let Ok(directory) = fs::canonicalize(parent) else { return };
            if !self.directories.contains(&directory) {
                self.directories.push(directory.clone());
            }
            if let Some(name) = path.file_name() {
                self.look_out_for(name);
            }
            let Ok(target) = fs::read_link(&path) else { return };
            path = directory.join(target);
        }
    }

    fn look_out_for(&mut self, name: &OsStr) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }
}

/// How a file looks from outside. Two equal stamps mean "nothing to see" to the poll only: an
/// event is followed up whatever the stamp says, since clocks of file systems are coarse.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_directory_on_the_way_to_a_linked_file_is_named() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().canonicalize().unwrap();
        for name in ["a", "b", "c"] {
            fs::create_dir(real.join(name)).unwrap();
        }
        fs::write(real.join("c/tokens.yaml"), "").unwrap();
        symlink("../c/tokens.yaml", real.join("b/middle")).unwrap();
        symlink(real.join("b/middle"), real.join("a/link")).unwrap();

        let survey = Survey::of(&[real.join("a/link")]);
        assert_eq!(survey.directories, [real.join("a"), real.join("b"), real.join("c")]);
        assert_eq!(survey.names, ["..data", "link", "middle", "tokens.yaml"]);
    }

    #[test]
    fn a_bare_name_lies_in_the_working_directory() {
        let survey = Survey::of(&[PathBuf::from("a-name-that-is-not-there")]);
        assert_eq!(survey.directories, [fs::canonicalize(".").unwrap()]);
        assert_eq!(survey.stamps, [None]);
    }

    #[test]
    fn links_in_a_loop_come_to_an_end() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        let survey = Survey::of(&[root.path().join("a")]);
        assert_eq!(survey.directories.len(), 1);
    }
}
