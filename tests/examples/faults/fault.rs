//! The ways in which a run can go wrong, and how each is brought about.

use std::fmt;
use std::path::Path;
use std::process::Command;

use crate::table::Program;
use crate::trace::{self, End, Site};

/// What strace does to one run, or the limit that it is given.
#[derive(Clone, Copy)]
pub(crate) enum Fault<'a> {
    /// Nothing: the run that the others are compared to.
    None,
    /// Killed on entering the call, which is not made.
    Kill(&'a Site),
    /// The call is not made and fails with this error, once.
    Error(&'a Site, &'static str),
    /// The call and all later ones that touch a file fail; the cleaning up does too.
    DiskGone { sites: &'a [Site], from: usize },
    /// No file can hold more bytes. The write across the limit is cut short, the next one fails.
    Full(usize),
    /// The same, and the next one kills.
    Torn(usize),
}

/// The errors that a call is made to fail with.
const ERRORS: [&str; 3] = ["EIO", "ENOSPC", "EINTR"];

/// Called to clean up after a failure, so that they need not be in a run without one.
const CLEANING: [&str; 2] = ["unlink", "unlinkat"];

/// Work without a disk.
const NO_FILE: [&str; 3] = ["getrandom", "getcwd", "exit_group"];

/// The limits of size lie so far apart, in bytes. Odd, so that they fall on every kind of place.
const STEP: usize = 13;

/// Every fault of a program that makes these calls and leaves so many bytes.
pub(crate) fn all(program: Program, sites: &[Site], bytes: usize) -> Vec<Fault<'_>> {
    let mut faults = Vec::new();
    for (from, site) in sites.iter().enumerate() {
        faults.push(Fault::Kill(site));
        if site.name == "exit_group" {
            continue;
        }
        faults.extend(ERRORS.map(|error| Fault::Error(site, error)));
        // The threads of the server call each other with `read` and `write`, which must not fail.
        if program == Program::Admin {
            faults.push(Fault::DiskGone { sites, from });
        }
    }
    for limit in (0..=bytes).step_by(STEP) {
        faults.extend([Fault::Full(limit), Fault::Torn(limit)]);
    }
    faults
}

impl<'a> Fault<'a> {
    /// The call at which it happens, if it is one.
    pub(crate) fn site(self) -> Option<&'a Site> {
        match self {
            Self::Kill(site) | Self::Error(site, _) => Some(site),
            Self::None | Self::DiskGone { .. } | Self::Full(_) | Self::Torn(_) => None,
        }
    }

    /// The same at another call.
    pub(crate) fn at(self, site: &'a Site) -> Self {
        match self {
            Self::Kill(_) => Self::Kill(site),
            Self::Error(_, error) => Self::Error(site, error),
            Self::None | Self::DiskGone { .. } | Self::Full(_) | Self::Torn(_) => self,
        }
    }

    /// The command that runs `program` in `folder` with this fault and leaves a trace of it, if
    /// there can be one, in `log`.
    pub(crate) fn around(self, program: &Path, folder: &Path, log: &Path) -> Command {
        let mut command = match self {
            // A shell can ignore a signal for its heir.
            Self::Full(_) => Command::new("sh"),
            Self::Torn(_) => Command::new("prlimit"),
            _ => Command::new("strace"),
        };
        match self {
            Self::Full(bytes) => command
                .args(["-c", "trap '' XFSZ; exec prlimit \"$@\"", "sh", "--core=0"])
                .arg(format!("--fsize={bytes}")),
            Self::Torn(bytes) => command.arg("--core=0").arg(format!("--fsize={bytes}")),
            // Not `--seccomp-bpf`: with it strace 6.1 forgets to deliver the signals.
            _ => command
                .args(["-f", "-y", "-qq", "-o"])
                .arg(log)
                .args(self.path(folder).iter().flat_map(|path| ["-P", path]))
                .args(self.injections().iter().flat_map(|one| ["-e", one])),
        };
        command.arg(program);
        command
    }

    fn injections(self) -> Vec<String> {
        match self {
            Self::None | Self::Full(_) | Self::Torn(_) => Vec::new(),
            Self::Kill(site) => {
                vec![format!("inject={}:signal=SIGKILL:when={}", site.name, site.occurrence)]
            }
            Self::Error(site, error) => {
                vec![format!("inject={}:error={error}:when={}", site.name, site.occurrence)]
            }
            Self::DiskGone { sites, from } => gone(sites, from),
        }
    }

    /// The path of which strace is to heed the calls alone.
    fn path(self, folder: &Path) -> Option<String> {
        self.site()?.path(&folder.to_string_lossy())
    }

    /// Does the trace show that it happened, and where it was meant to?
    pub(crate) fn happened(self, log: &str, folder: &str) -> bool {
        match self {
            Self::Kill(site) => trace::met(log, folder, site, End::Killed),
            Self::Error(site, _) => trace::met(log, folder, site, End::Injected),
            Self::DiskGone { .. } => trace::failed(log, folder),
            // The first is none, and the others leave no trace.
            Self::None | Self::Full(_) | Self::Torn(_) => true,
        }
    }

    /// Does the process get to say what happened, and to clean up?
    pub(crate) fn leaves_a_voice(self) -> bool {
        matches!(self, Self::None | Self::Error(..) | Self::Full(_))
    }
}

/// The next call of each name from here on fails, and all after it.
fn gone(sites: &[Site], from: usize) -> Vec<String> {
    let name_of = |site: &Site| site.name.clone();
    let mut names: Vec<String> = sites.iter().map(name_of).collect();
    names.extend(CLEANING.map(str::to_owned));
    names.sort();
    names.dedup();
    names.retain(|name| !NO_FILE.contains(&name.as_str()));
    let first = |name: &String| {
        let later = sites[from..].iter().find(|site| site.name == *name);
        let last = sites.iter().rev().find(|site| site.name == *name);
        later.map(|site| site.occurrence).or(last.map(|site| site.occurrence + 1)).unwrap_or(1)
    };
    names.iter().map(|name| format!("inject={name}:error=EIO:when={}+", first(name))).collect()
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("no fault"),
            Self::Kill(site) => write!(out, "killed at {site}"),
            Self::Error(site, error) => write!(out, "{error} at {site}"),
            Self::DiskGone { sites, from } => write!(out, "EIO from {} on", sites[*from]),
            Self::Full(bytes) => write!(out, "room for {bytes} bytes"),
            Self::Torn(bytes) => write!(out, "killed after {bytes} bytes"),
        }
    }
}
