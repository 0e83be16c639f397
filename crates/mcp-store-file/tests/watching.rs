//! What others do to the file is told to whoever listens to the store.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_identity::{TokenHash, TokenId};
use mcp_store::{Change, TokenRecord, TokenStore as _};
use mcp_store_file::TokenFile;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Far more than is promised: a loaded test machine promises nothing.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_change_by_somebody_else_is_told_though_the_file_was_broken_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    fs::write(&path, "tokens: []\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let ours = Arc::new(TokenFile::open(&path));
    let mut changes = ours.changes();
    let (stop, stopped) = oneshot::channel::<()>();
    let watch = ours.watch().unwrap();
    let running = tokio::spawn(watch.run(async {
        let _ = stopped.await;
    }));

    fs::write(&path, "tokens:\n  - id: [\n").unwrap();
    fs::write(&path, "tokens: []\n").unwrap();
    let id = TokenId::parse("token-1").unwrap();
    let hash = TokenHash::of_presented(b"x");
    let theirs = TokenFile::open(&path);
    theirs.insert(TokenRecord::new(id, hash, SystemTime::UNIX_EPOCH)).await.unwrap();
    let told = timeout(PATIENCE, changes.next()).await.unwrap();
    assert_eq!(told, Some(Change::Everything));
    assert_eq!(ours.read().unwrap().len(), 1);

    stop.send(()).unwrap();
    timeout(PATIENCE, running).await.unwrap().unwrap();
}
