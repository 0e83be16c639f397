//! Who PostgreSQL runs as: never root.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Gid, Uid};

use crate::binaries::Binaries;
use crate::error::Error;

/// The account that owns the files and runs the programs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Account {
    /// We are not root: ourselves.
    Own,
    /// We are root: somebody with fewer rights.
    Other { uid: Uid, gid: Gid },
}

impl Account {
    /// `postgres` or else `nobody` for root, ourselves for anybody else.
    pub(crate) fn choose(binaries: &Binaries) -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        if binaries.setpriv.is_none() {
            return Err(Error::CannotDropRoot { missing: "the program setpriv" });
        }
        let passwd = Path::new("/etc/passwd");
        let text = fs::read_to_string(passwd).map_err(Error::file(passwd))?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| ids_of(&text, name))
            .map(|(uid, gid)| Self::Other { uid, gid })
            .ok_or(Error::CannotDropRoot { missing: "a user postgres or nobody" })
    }

    /// Names the account in the cache, whose files belong to it.
    pub(crate) fn uid(self) -> u32 {
        match self {
            Self::Own => rustix::process::geteuid().as_raw(),
            Self::Other { uid, .. } => uid.as_raw(),
        }
    }

    /// Hands a file or directory to the account.
    pub(crate) fn give(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => rustix::fs::chown(path, Some(uid), Some(gid))
                .map_err(|errno| Error::file(path)(errno.into())),
        }
    }

    /// A command that runs `program` as the account and is killed when the thread that spawned
    /// it ends, however it ends. Without `setpriv` (not Linux) it is not killed by itself.
    pub(crate) fn command(self, binaries: &Binaries, program: &OsStr) -> Command {
        let mut command = match &binaries.setpriv {
            None => Command::new(program),
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL"]);
                if let Self::Other { uid, gid } = self {
                    command.arg(format!("--reuid={}", uid.as_raw()));
                    command.arg(format!("--regid={}", gid.as_raw()));
                    command.arg("--clear-groups");
                }
                command.arg("--").arg(program);
                command
            }
        };
        // PGHOST, PGOPTIONS and their like must not reach a server that is nobody's.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        command.current_dir("/");
        command
    }
}

fn ids_of(passwd: &str, name: &str) -> Option<(Uid, Gid)> {
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name))?;
    let uid = fields.get(2)?.parse().ok()?;
    let gid = fields.get(3)?.parse().ok()?;
    Some((Uid::from_raw(uid), Gid::from_raw(gid)))
}
