//! What the files of one audit log are called.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::civil::Date;

use crate::replace::{folder_of, names_in};

/// The name of the current file where only a folder is given.
const DEFAULT: &str = "audit.jsonl";

/// The names of one log: `audit.jsonl` is the current file, `audit-2026-11-21.jsonl` that of a
/// day gone by, `audit-2026-11-21.1.jsonl` a second one of that day (a clock that was set back).
#[derive(Clone, Debug)]
pub(super) struct Names {
    current: PathBuf,
    folder: PathBuf,
    stem: OsString,
    /// With its dot; empty if there is none.
    extension: OsString,
}

/// The file of a day gone by. The order is that of the lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rotated {
    pub(super) day: Date,
    /// Zero for the first one of its day.
    pub(super) number: u32,
    pub(super) path: PathBuf,
}

impl Names {
    /// `path` is the current file, or the folder that holds it.
    pub(super) fn of(path: &Path) -> Self {
        let current = if path.is_dir() { path.join(DEFAULT) } else { path.to_owned() };
        let stem = current.file_stem().unwrap_or_default().to_owned();
        let extension = current.extension().map_or_else(OsString::new, |extension| {
            let mut dotted = OsString::from(".");
            dotted.push(extension);
            dotted
        });
        Self { folder: folder_of(&current), current, stem, extension }
    }

    pub(super) fn current(&self) -> &Path {
        &self.current
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first name for the file of `day` that nothing has yet.
    pub(super) fn vacant(&self, day: Date) -> io::Result<PathBuf> {
        for number in 0..u32::MAX {
            let path = self.rotated(day, number);
            match fs::symlink_metadata(&path) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// The files of days gone by, oldest first.
    pub(super) fn list(&self) -> io::Result<Vec<Rotated>> {
        let mut found = Vec::new();
        for name in names_in(&self.folder)? {
            found.extend(self.parse(&name?));
        }
        found.sort_unstable();
        Ok(found)
    }

    fn rotated(&self, day: Date, number: u32) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(format!("-{day}"));
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.push(&self.extension);
        self.folder.join(name)
    }

    fn parse(&self, name: &OsStr) -> Option<Rotated> {
        let bytes = name.as_encoded_bytes();
        let bytes = bytes.strip_prefix(self.stem.as_encoded_bytes())?;
        let bytes = bytes.strip_suffix(self.extension.as_encoded_bytes())?;
        let middle = str::from_utf8(bytes).ok()?.strip_prefix('-')?;
        let (day, number) = middle.split_once('.').unwrap_or((middle, "0"));
        let rotated = (day.parse().ok()?, number.parse().ok()?);
        let path = self.rotated(rotated.0, rotated.1);
        // jiff and `parse` take more spellings than we write; those are somebody else's files.
        let ours = path.file_name() == Some(name);
        ours.then_some(Rotated { day: rotated.0, number: rotated.1, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_we_write_are_ours() {
        let names = Names::of(Path::new("/var/log/audit.jsonl"));
        for ours in ["audit-2026-11-21.jsonl", "audit-2026-11-21.1.jsonl"] {
            let parsed = names.parse(OsStr::new(ours)).unwrap();
            assert_eq!(parsed.path, Path::new("/var/log").join(ours));
        }
        for foreign in [
            "audit.jsonl",
            "audit-2026-11-31.jsonl",
            "audit-20261121.jsonl",
            "audit-2026-11-21.01.jsonl",
            "audit-2026-11-21.0.jsonl",
            "audit-2026-11-21.jsonl.gz",
            "audit-2026-11-21T00:00.jsonl",
            "my-audit-2026-11-21.jsonl",
        ] {
            assert_eq!(names.parse(OsStr::new(foreign)), None, "{foreign}");
        }
    }

    #[test]
    fn a_log_without_an_extension_rotates_as_well() {
        let names = Names::of(Path::new("log"));
        let day = Date::constant(2026, 11, 21);
        assert_eq!(names.rotated(day, 2), Path::new("./log-2026-11-21.2"));
        assert_eq!(names.parse(OsStr::new("log-2026-11-21.2")).unwrap().number, 2);
    }
}
