//! The programs of other people that are run against the server: MCP clients and a mail server by
//! the behaviour tests, the conformance suite by its task.
//!
//! Their lock files and our scripts stand in `tests/clients` and `tests/conformance`; what is
//! installed stands in `target/clients`, so that the tree stays clean:
//!
//! ```text
//! python-mcp1, -mcp2, -fastmcp, -mail, -openapi (bin/python)   run tests/clients/python/*.py
//! bin/node                                           runs node/*.mjs, inspector/*.mjs (copies),
//!                                                    and the suite in conformance
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Failure, command, find_program, say};

/// Three environments of clients, one of the mail server that letters are sent to, and one of
/// Schemathesis.
const PYTHON_CLIENTS: [&str; 5] =
    ["python-mcp1", "python-mcp2", "python-fastmcp", "python-mail", "python-openapi"];
const NODE_CLIENTS: [&str; 2] = ["node", "inspector"];
const CONFORMANCE: &str = "conformance";

/// The oldest Node.js that they all run on, major and minor version: the Inspector's.
const OLDEST_NODE: Version = (22, 19);

/// The Node.js that npm delivers, where the system's is older than [`OLDEST_NODE`].
const NODE_VERSION: &str = "24.21.0";

/// The file in an installed client that holds the lock file it was installed from.
const STAMP: &str = ".installed-from";

type Version = (u32, u32);

/// The conformance suite, installed.
pub(crate) struct Conformance {
    /// The Node.js that runs it.
    pub(crate) node: PathBuf,
    /// Where its packages and our scripts stand.
    pub(crate) dir: PathBuf,
}

/// Installs each client whose lock file changed since it was installed.
pub(super) fn install(into: &Path) -> Result<(), Failure> {
    let sources = shell::root().join("tests/clients");
    for name in PYTHON_CLIENTS {
        python(&sources.join(name), &into.join(name))?;
    }
    let node = node_program(into)?;
    for name in NODE_CLIENTS {
        node_packages(&sources.join(name), &into.join(name), &node)?;
    }
    Ok(())
}

/// Installs the conformance suite if its lock file changed since it was installed.
pub(super) fn install_conformance(into: &Path) -> Result<Conformance, Failure> {
    let node = node_program(into)?;
    let dir = into.join(CONFORMANCE);
    node_packages(&shell::root().join("tests").join(CONFORMANCE), &dir, &node)?;
    Ok(Conformance { node, dir })
}

fn python(source: &Path, into: &Path) -> Result<(), Failure> {
    let lock_file = source.join("requirements.txt");
    let lock = read(&lock_file)?;
    // A link to a Python that was upgraded away does not resolve, and is installed anew.
    if is_installed(into, &lock) && into.join("bin/python").exists() {
        return Ok(());
    }
    say(format!("setup: installing {} (PyPI)", lock_file.display()));
    clear(into)?;
    shell::run(command("python3", &["-m", "venv"]).arg(into))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    shell::run(command(into.join("bin/python"), &pip).arg(lock_file))?;
    write_stamp(into, &lock)
}

fn node_packages(source: &Path, into: &Path, node: &Path) -> Result<(), Failure> {
    let lock = read(&source.join("package-lock.json"))?;
    if !is_installed(into, &lock) {
        say(format!("setup: installing {} (npm)", source.join("package-lock.json").display()));
        clear(into)?;
        fs::create_dir_all(into).map_err(Failure::file(into))?;
        copy(source, into, "json")?;
        shell::run(npm(node, &["ci", "--ignore-scripts"]).current_dir(into))?;
        write_stamp(into, &lock)?;
    }
    // A script finds its packages beside itself and nowhere else. Copied on every run: they change
    // more often than what they import.
    copy(source, into, "mjs")
}

/// `bin/node`: the system's, or npm's own where that is too old for the clients.
fn node_program(clients: &Path) -> Result<PathBuf, Failure> {
    let link = clients.join("bin/node");
    if is_new_enough(&link) {
        return Ok(link);
    }
    let bin = clients.join("bin");
    fs::create_dir_all(&bin).map_err(Failure::file(&bin))?;
    let system = find_program("node").ok_or_else(|| Failure::new("node is missing"))?;
    let node = if is_new_enough(&system) {
        system
    } else {
        newer_node(&clients.join("node-runtime"), &system)?
    };
    // There may be one to a Node.js that is too old by now, or that is gone.
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&node, &link).map_err(Failure::file(&link))?;
    Ok(link)
}

fn newer_node(into: &Path, system: &Path) -> Result<PathBuf, Failure> {
    let (major, minor) = OLDEST_NODE;
    let machine = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        (os, arch) => {
            let message = format!("Node.js {major}.{minor} or newer is missing, on {os} {arch}");
            return Err(Failure::new(message).hint("install it, then run this again"));
        }
    };
    say(format!("setup: Node.js is older than {major}.{minor}; installing one beside it (npm)"));
    fs::create_dir_all(into).map_err(Failure::file(into))?;
    let package = format!("node-{machine}@{NODE_VERSION}");
    let install = ["install", "--no-save", "--ignore-scripts", "--prefix", "."];
    shell::run(npm(system, &install).arg(package).current_dir(into))?;
    Ok(into.join(format!("node_modules/node-{machine}/bin/node")))
}

/// npm, run by the given Node.js, saying nothing but errors.
pub(super) fn npm(node: &Path, arguments: &[&str]) -> Command {
    let mut npm = command("npm", arguments);
    npm.args(["--no-audit", "--no-fund", "--loglevel=error"]);
    // npm's first line asks for `node` on the path.
    if let (Some(bin), Some(path)) = (node.parent(), shell::environment("PATH")) {
        let dirs = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
        npm.envs(std::env::join_paths(dirs).ok().map(|path| ("PATH", path)));
    }
    npm
}

/// Is there a Node.js at this path that the clients run on?
fn is_new_enough(node: &Path) -> bool {
    let output = command(node, &["--version"]).output().ok();
    let printed = output.and_then(|output| String::from_utf8(output.stdout).ok());
    printed.and_then(|printed| version(&printed)).is_some_and(|version| version >= OLDEST_NODE)
}

/// `v24.21.0` is 24 and 21.
fn version(printed: &str) -> Option<Version> {
    let mut numbers = printed.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

pub(super) fn is_installed(client: &Path, lock: &str) -> bool {
    fs::read_to_string(client.join(STAMP)).is_ok_and(|installed| installed == lock)
}

/// Written last: what was interrupted is installed anew.
pub(super) fn write_stamp(client: &Path, lock: &str) -> Result<(), Failure> {
    let stamp = client.join(STAMP);
    fs::write(&stamp, lock).map_err(Failure::file(&stamp))
}

pub(super) fn clear(dir: &Path) -> Result<(), Failure> {
    if dir.exists() { fs::remove_dir_all(dir).map_err(Failure::file(dir)) } else { Ok(()) }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(Failure::file(path))
}

/// Copies the files of one extension.
fn copy(from: &Path, into: &Path, extension: &str) -> Result<(), Failure> {
    for entry in fs::read_dir(from).map_err(Failure::file(from))? {
        let file = entry.map_err(Failure::file(from))?.path();
        if let (Some(found), Some(name)) = (file.extension(), file.file_name())
            && found == extension
        {
            fs::copy(&file, into.join(name)).map_err(Failure::file(&file))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(version("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version("v22"), None);
        assert_eq!(version("not a version"), None);
    }

    #[test]
    fn what_is_not_there_is_not_new_enough() {
        assert!(!is_new_enough(Path::new("no/such/node")));
    }

    #[test]
    fn lock_files_name_no_place_to_download_from() {
        let tests = shell::root().join("tests");
        let clients = tests.join("clients");
        let node = NODE_CLIENTS.map(|name| clients.join(name));
        for packages in node.into_iter().chain([tests.join(CONFORMANCE)]) {
            let lock = read(&packages.join("package-lock.json")).unwrap();
            assert!(!lock.contains("\"resolved\""), "{}", packages.display());
        }
        for name in PYTHON_CLIENTS {
            let lock = read(&clients.join(name).join("requirements.txt")).unwrap();
            assert!(lock.lines().all(|line| line.starts_with('#') || line.contains("==")));
            assert!(!lock.contains("://") && !lock.contains('@'));
        }
    }
}
