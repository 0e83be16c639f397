//! What the tasks share: words on standard error, programs run in the tree, and a failure that
//! names its way out.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a task did not do its work, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// A file that could not be read, written or made.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::new(format!("{path}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "error: {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(out, "\nhint: {hint}"))
    }
}

/// A line for the person who waits. Standard output is for data, and no task has any.
pub(crate) fn say(text: impl AsRef<str>) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{}", text.as_ref().trim_end());
}

/// The directory of the workspace.
pub(crate) fn root() -> &'static Path {
    const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");
    Path::new(MANIFEST_DIR).parent().unwrap_or(Path::new(MANIFEST_DIR))
}

/// A variable of the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "a task is a program of its own; it has no configuration to be handed"
)]
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The file of a program, found on the path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = environment("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// A program to be run at the root of the workspace, with nothing on its standard input.
pub(crate) fn command(program: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let name = shown(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("`{name}` failed ({status})"))),
        Err(error) => Err(Failure::new(format!("`{name}` could not be started: {error}"))),
    }
}

/// Does the command end well? What it writes is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
