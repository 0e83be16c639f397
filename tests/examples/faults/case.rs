//! One run of one command in a folder of its own, and everything that can be seen afterwards.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use tempfile::TempDir;

use crate::fault::Fault;
use crate::table::{CONFIG, Program, Row};

/// To whom root gives the files: what root's tool writes must stay theirs. No account needs to
/// have the number.
const SOMEBODY: u32 = 65_534;

/// Where all cases happen: one folder, and copies of the programs that everybody may run.
pub(crate) struct Ground {
    folder: TempDir,
    /// Where the folders of the cases are.
    cases: TempDir,
    /// Who runs this.
    us: u32,
}

/// A folder with a configuration and the file of a row as it is before.
pub(crate) struct Case<'a> {
    ground: &'a Ground,
    row: &'a Row,
    folder: TempDir,
}

/// What a run said and how it ended.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A file as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) text: String,
    rights: Rights,
}

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    mode: u32,
    user: u32,
    group: u32,
}

impl Kept {
    pub(crate) fn rights(&self) -> Rights {
        self.rights
    }
}

impl Rights {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let (user, group) = (metadata.uid(), metadata.gid());
        Some(Self { mode: metadata.mode() & 0o7777, user, group })
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "mode {:04o}, owner {}, group {}", self.mode, self.user, self.group)
    }
}

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let us = fs::metadata(folder.path()).expect("the folder is there").uid();
        open_to_all(folder.path());
        for program in [Program::Admin, Program::Server].map(Program::name) {
            let copy = folder.path().join(program);
            fs::copy(support::binary(program), &copy).expect("the program can be copied");
            open_to_all(&copy);
        }
        let cases = in_memory().unwrap_or_else(|| tempfile::tempdir().expect("a folder"));
        open_to_all(cases.path());
        Self { folder, cases, us }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn program(&self, program: Program) -> PathBuf {
        self.path().join(program.name())
    }

    /// Is the owner of the files somebody else than who runs the commands?
    fn is_root(&self) -> bool {
        self.us == 0
    }

    /// A new case. What hides in a temporary file hides there as well.
    pub(crate) fn case<'a>(&'a self, row: &'a Row) -> Case<'a> {
        let folder = tempfile::tempdir_in(self.cases.path()).expect("a folder");
        let case = Case { ground: self, row, folder };
        case.put(CONFIG, row.config);
        if let Some(text) = row.before {
            case.put(row.file, text);
        }
        self.give(case.path());
        case
    }

    fn give(&self, path: &Path) {
        if self.is_root() {
            chown(path, Some(SOMEBODY), Some(SOMEBODY)).expect("root may give files away");
        }
    }
}

impl Case<'_> {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the command of the row with a fault; gives what it said, and its trace.
    pub(crate) fn run(&self, fault: Fault<'_>) -> (Ran, String) {
        let log = self.path().with_extension("trace");
        let program = self.row.program;
        let mut command = fault.around(&self.ground.program(program), self.path(), &log);
        if program == Program::Server {
            // strace runs as he does, and its trace lies where only we may make a file.
            fs::write(&log, "").expect("a file can be written");
            self.ground.give(&log);
            self.as_owner(&mut command);
        }
        let ran = self.finish(&mut command, self.row.arguments);
        let traced = fs::read(&log).unwrap_or_default();
        let _ = fs::remove_file(&log);
        (ran, String::from_utf8_lossy(&traced).into_owned())
    }

    /// Runs another command in peace.
    pub(crate) fn admin(&self, arguments: &[&str]) -> Ran {
        self.finish(&mut self.tool(), arguments)
    }

    /// The same as the owner of the files, as the service would.
    pub(crate) fn admin_as_owner(&self, arguments: &[&str]) -> Ran {
        let mut command = self.tool();
        self.as_owner(&mut command);
        self.finish(&mut command, arguments)
    }

    /// Starts another command in peace.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.spawn(&mut self.tool(), arguments)
    }

    fn tool(&self) -> Command {
        Command::new(self.ground.program(Program::Admin))
    }

    /// Has a command run as the owner of the files.
    fn as_owner(&self, command: &mut Command) {
        if self.ground.is_root() {
            command.uid(SOMEBODY).gid(SOMEBODY);
        }
    }

    /// The file of the row.
    pub(crate) fn kept(&self) -> Option<Kept> {
        let path = self.path().join(self.row.file);
        let bytes = fs::read(&path).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some(Kept { text, rights: Rights::of(&path)? })
    }

    /// What every credential file is to have: the owner of the folder alone.
    pub(crate) fn rights(&self) -> Rights {
        let folder = Rights::of(self.path()).expect("the folder is there");
        Rights { mode: 0o600, ..folder }
    }

    /// A file that somebody else than the owner of the folder could use, or he could not.
    pub(crate) fn in_wrong_hands(&self) -> Option<String> {
        self.names().into_iter().find_map(|name| {
            let found = Rights::of(&self.path().join(&name))?;
            (found != self.rights()).then(|| format!("{name}: {found}"))
        })
    }

    /// The names of everything in the folder.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let files = fs::read_dir(self.path()).expect("the folder can be listed");
        let name = |file: std::io::Result<fs::DirEntry>| {
            file.expect("the folder can be listed").file_name().to_string_lossy().into_owned()
        };
        files.map(name).collect()
    }

    /// The first file that has these words in it.
    pub(crate) fn file_with(&self, words: &str) -> Option<String> {
        self.names().into_iter().find(|name| {
            let bytes = fs::read(self.path().join(name)).unwrap_or_default();
            bytes.windows(words.len()).any(|window| window == words.as_bytes())
        })
    }

    fn finish(&self, command: &mut Command, arguments: &[&str]) -> Ran {
        self.spawn(command, arguments).wait_with_output().expect("the command ends").into()
    }

    /// In this folder, with nothing of our environment.
    fn spawn(&self, command: &mut Command, arguments: &[&str]) -> Child {
        command.arg("--config").arg(self.path().join(CONFIG)).args(arguments);
        command.env_clear().env("TMPDIR", self.path()).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let mut input = child.stdin.take().expect("standard input is piped");
        // Who is killed before it reads does not read.
        let _ = input.write_all(self.row.input.as_bytes());
        child
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::write(&path, text).expect("a file can be written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode can be set");
        self.ground.give(&path);
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A folder in memory. No power is cut here, so that it makes no difference whether a disk has
/// what was written; and thousands of runs need not wait for one.
fn in_memory() -> Option<TempDir> {
    tempfile::tempdir_in("/dev/shm").ok()
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("a mode can be set");
}
