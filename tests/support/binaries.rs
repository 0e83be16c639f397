//! Where the built binaries are.

use std::path::PathBuf;

/// The binary of that name, from the same build as the running test.
///
/// # Panics
/// When the test does not run from a target directory.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // target/debug/deps/it-… → target/debug/NAME
    let profile = test.parent().and_then(|deps| deps.parent()).expect("a target directory");
    let path = profile.join(name);
    assert!(path.exists(), "{name} is not built: run `cargo build --bins` first");
    path
}
