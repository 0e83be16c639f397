//! Where PostgreSQL is installed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// Where to look for PostgreSQL's programs. The environment is handed in, not read.
#[derive(Clone, Debug, Default)]
pub struct Locate {
    /// Look here and nowhere else: `$PG_BINDIR`.
    pub bin_dir: Option<PathBuf>,
    /// `$PATH`. Looked at before the directories of the packagers.
    pub path: Option<OsString>,
}

impl Locate {
    /// Finds the programs: in `bin_dir` if it is given; else on the path; else where Debian and
    /// Homebrew put them, the highest version first.
    pub fn find(&self) -> Result<Binaries, Error> {
        let places = self.places();
        let found = places.iter().find_map(|place| Binaries::in_dir(place));
        let dir = found.ok_or_else(|| Error::NotInstalled { looked_in: listed(&places) })?;
        let version = version_of(&dir.join("postgres"))?;
        let setpriv = self.on_path("setpriv");
        Ok(Binaries { dir, version, setpriv })
    }

    fn places(&self) -> Vec<PathBuf> {
        if let Some(bin_dir) = &self.bin_dir {
            return vec![bin_dir.clone()];
        }
        let mut places = self.path_dirs();
        for (parent, prefix) in [
            ("/usr/lib/postgresql", ""),
            ("/opt/homebrew/opt", "postgresql@"),
            ("/usr/local/opt", "postgresql@"),
        ] {
            places.extend(by_version(Path::new(parent), prefix));
        }
        places
    }

    fn path_dirs(&self) -> Vec<PathBuf> {
        self.path.iter().flat_map(std::env::split_paths).filter(|dir| dir.is_absolute()).collect()
    }

    fn on_path(&self, program: &str) -> Option<PathBuf> {
        let mut dirs = self.path_dirs();
        dirs.push("/usr/bin".into());
        dirs.into_iter().map(|dir| dir.join(program)).find(|file| file.is_file())
    }
}

/// PostgreSQL's programs, found.
#[derive(Clone, Debug)]
pub struct Binaries {
    dir: PathBuf,
    version: String,
    pub(crate) setpriv: Option<PathBuf>,
}

impl Binaries {
    /// The directory that holds them all.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The version as `postgres --version` tells it, such as `15.14 (Debian 15.14-0+deb12u1)`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The real directory of `initdb`, when `postgres` is its neighbour: what lies on the path
    /// is often a link to one program and not to the others.
    fn in_dir(place: &Path) -> Option<PathBuf> {
        let initdb = place.join("initdb").canonicalize().ok()?;
        let dir = initdb.parent()?;
        dir.join("postgres").is_file().then(|| dir.to_owned())
    }
}

/// `parent/<prefix><number>/bin`, the highest number first.
fn by_version(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let number = name.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

fn version_of(postgres: &Path) -> Result<String, Error> {
    let output = Command::new(postgres).arg("--version").output().map_err(Error::file(postgres))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.trim().trim_start_matches("postgres (PostgreSQL)").trim();
    if !output.status.success() || version.is_empty() {
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Program { program: "postgres --version", output });
    }
    Ok(version.to_owned())
}

fn listed(places: &[PathBuf]) -> String {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    places.join(", ")
}
