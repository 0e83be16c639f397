//! Where the built binaries are.

use std::path::PathBuf;

/// The binary of that name, from the same build as the running test.
///
/// # Panics
/// When the test does not run from a target directory.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let path = profile_dir().join(name);
    assert!(path.exists(), "{name} is not built: run `cargo build --bins --examples` first");
    path
}

/// The folder of one profile's build, such as `target/debug`.
pub(crate) fn profile_dir() -> PathBuf {
    let program = std::env::current_exe().expect("a test knows its own path");
    // target/debug/deps/it-… and target/debug/examples/… → target/debug
    let profile = program.parent().and_then(|folder| folder.parent());
    profile.expect("a target directory").to_owned()
}
