//! A token file keeps the contract that every store keeps, in both layouts.

use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use mcp_store::contract;
use mcp_store_file::TokenFile;

#[tokio::test]
async fn a_token_file_keeps_the_contract_in_both_layouts() {
    for nothing in ["tokens: []\n", "tokens: {}\n"] {
        let folders = RefCell::new(Vec::new());
        contract::all(|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("tokens.yaml");
            fs::write(&path, nothing).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            folders.borrow_mut().push(folder);
            TokenFile::open(path)
        })
        .await;
    }
}
