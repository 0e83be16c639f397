//! A token file keeps the contract that every store keeps, in both layouts, watched or not.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::future::pending;
use std::os::unix::fs::PermissionsExt as _;

use mcp_store::contract;
use mcp_store_file::TokenFile;
use tempfile::TempDir;
use tokio::task::JoinSet;

#[tokio::test]
async fn a_token_file_keeps_the_contract_in_both_layouts() {
    for nothing in ["tokens: []\n", "tokens: {}\n"] {
        let folders = RefCell::new(Vec::new());
        contract::all(|| {
            let (folder, tokens) = token_file(nothing);
            folders.borrow_mut().push(folder);
            tokens
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_token_file_keeps_the_contract() {
    let folders = RefCell::new(Vec::new());
    let watches = RefCell::new(JoinSet::new());
    contract::all(|| {
        let (folder, tokens) = token_file("tokens: []\n");
        folders.borrow_mut().push(folder);
        watches.borrow_mut().spawn(tokens.watch().unwrap().run(pending()));
        tokens
    })
    .await;
}

fn token_file(text: &str) -> (TempDir, TokenFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    (folder, TokenFile::open(path))
}
