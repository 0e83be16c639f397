//! Whose file it is: who may own it, who may read it, which file a link means.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use mcp_store::StoreError;
use rustix::fs::{OFlags, StatVfsMountFlags};

use crate::fault::{WithHint as _, refused, shown, system};
use crate::kind::Words;

/// The largest file that is read: 64 MiB, some 300,000 tokens.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Everybody but the owner: permission bits that a credential file must not have.
const OTHERS: u32 = 0o077;

/// On whose behalf a file is managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Managed {
    /// Our own file: what somebody else owns is refused.
    ForUs,
    /// Root's tool on the file of a service: the owner stays the owner.
    ForItsOwner,
}

/// Owner and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Owner {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { user: metadata.uid(), group: metadata.gid() }
    }
}

/// The file that `path` means: links are followed now, once, so that a rewrite replaces the
/// target. A file that does not exist is where its folder says. A target that neither we nor
/// the owner of the link own is refused: a link must not lend somebody else's file.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let link = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => metadata,
        Ok(_) => return Ok(path.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.to_owned()),
        Err(error) => return Err(denied(path, "look at it", &error)),
    };
    let target = fs::canonicalize(path).map_err(|error| system(path, "follow the link", &error))?;
    let owner = fs::metadata(&target).map_err(|error| denied(&target, "look at it", &error))?.uid();
    let ours = |user: u32| user == 0 || user == effective_user();
    let lawful = if ours(link.uid()) { ours(owner) } else { owner == link.uid() };
    if lawful {
        return Ok(target);
    }
    let fault = format!("it is a link to {}, which {} owns", shown(&target), name_of(owner));
    Err(refused(shown(path), fault).hint("name the file itself, as its owner"))
}

/// Reads the whole of a credential file, if it is one that may be trusted.
pub(crate) fn read(
    path: &Path,
    managed: Managed,
    words: &Words,
) -> Result<(String, Metadata), StoreError> {
    let mut file = open(path)?;
    let metadata = file.metadata().map_err(|error| system(path, "look at it", &error))?;
    trust(path, &file, &metadata, managed, words)?;
    if metadata.len() > MAX_BYTES {
        return Err(too_large(path, words));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    let taken = (&mut file).take(MAX_BYTES + 1).read_to_end(&mut bytes);
    let length = taken.map_err(|error| system(path, "read it", &error))?;
    if length as u64 > MAX_BYTES {
        return Err(too_large(path, words));
    }
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
    Ok((text, metadata))
}

/// The user this process acts as.
pub(crate) fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Refuses to write for another user, unless we are root.
pub(crate) fn may_write(path: &Path, owner: u32) -> Result<(), StoreError> {
    let us = effective_user();
    if us == 0 || us == owner {
        return Ok(());
    }
    Err(refused(shown(path), format!("{} owns it", name_of(owner))).hint(act_as(owner)))
}

/// The name of a user, or its number where no account has it.
pub(crate) fn name_of(user: u32) -> String {
    let number = user.to_string();
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut names = accounts.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    names.next().unwrap_or_else(|| format!("#{number}"))
}

fn open(path: &Path) -> Result<File, StoreError> {
    // A named pipe in place of the file must be refused, not waited for; a link that appears
    // after the links were resolved is not followed.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.map_err(|error| denied(path, "open it", &error))
}

fn trust(
    path: &Path,
    file: &File,
    metadata: &Metadata,
    managed: Managed,
    words: &Words,
) -> Result<(), StoreError> {
    if !metadata.is_file() {
        return Err(refused(shown(path), "it is not a regular file"));
    }
    let (us, owner) = (effective_user(), metadata.uid());
    let for_its_owner = us == 0 && managed == Managed::ForItsOwner;
    if owner != us && owner != 0 && !for_its_owner {
        let fault = format!("{} owns it: {}", name_of(owner), words.ownership);
        return Err(refused(shown(path), fault).hint(format!(
            "chown {} {}",
            name_of(us),
            shown(path)
        )));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 || (owner == 0 && is_on_a_read_only_mount(file)) {
        return Ok(());
    }
    let fault = format!("its mode is {mode:04o}: others than its owner have a right to it");
    Err(refused(shown(path), fault).hint(format!("chmod 600 {}", shown(path))))
}

/// Kubernetes mounts secrets so: owned by root, mode 0440 or 0644, and nobody can change them.
fn is_on_a_read_only_mount(file: &File) -> bool {
    rustix::fs::fstatvfs(file).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// A failed look at a file; where it belongs to somebody else, says whom to act as.
pub(crate) fn denied(path: &Path, doing: &str, error: &io::Error) -> StoreError {
    let fault = system(path, doing, error);
    if error.kind() != io::ErrorKind::PermissionDenied {
        return fault;
    }
    let mut places = path.ancestors().filter_map(|place| fs::metadata(place).ok());
    match places.next() {
        Some(found) if found.uid() != effective_user() => fault.hint(act_as(found.uid())),
        _ => fault,
    }
}

fn act_as(owner: u32) -> String {
    format!("run it as the owner: sudo -u {} mcp-admin …", name_of(owner))
}

fn too_large(path: &Path, words: &Words) -> StoreError {
    refused(shown(path), "it is larger than 64 MiB").hint(words.too_large)
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> StoreError {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = good.split(|byte| *byte == b'\n').count();
    refused(format!("{}:{line}", shown(path)), "it is not UTF-8").hint("save the file as UTF-8")
}
