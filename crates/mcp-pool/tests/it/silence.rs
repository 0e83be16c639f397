//! A line that falls silent: everything on it stays open, and nothing passes any more.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_connect::{Host, HostAddress, Transaction};
use mcp_testdb::Postgres;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::support::{kept, name, one_value, principal, settings};

/// Carries what is said to a server and back. What was open when `silences` was counted up stays
/// silent for ever; what is opened later is carried.
async fn relay(listener: UnixListener, server: PathBuf, silences: Arc<AtomicUsize>) {
    while let Ok((client, _)) = listener.accept().await {
        let (from_client, to_client) = client.into_split();
        let server = UnixStream::connect(&server).await.unwrap();
        let (from_server, to_server) = server.into_split();
        tokio::spawn(carry(from_client, to_server, Arc::clone(&silences)));
        tokio::spawn(carry(from_server, to_client, Arc::clone(&silences)));
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    silences: Arc<AtomicUsize>,
) {
    let (mut bytes, opened) = (vec![0; 4096], silences.load(Ordering::SeqCst));
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let passes = silences.load(Ordering::SeqCst) == opened;
        if passes && to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    if silences.load(Ordering::SeqCst) != opened {
        // Not even the end of the stream passes.
        std::future::pending::<()>().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_connection_falls_silent_those_beside_it_are_not_used_again() {
    let postgres = Postgres::for_tests().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join(".s.PGSQL.5432")).unwrap();
    let silences = Arc::new(AtomicUsize::new(0));
    let server = postgres.socket_dir().join(".s.PGSQL.5432");
    tokio::spawn(relay(listener, server, Arc::clone(&silences)));
    let mut settings = settings(&postgres);
    settings.target.hosts =
        vec![Host { address: HostAddress::Unix(dir.path().to_owned()), port: 5432 }];
    settings.target.connect_timeout = Duration::from_millis(500);
    let pools = kept(vec![settings]);
    let ((alice, _a), main) = (principal("alice"), name("main"));

    let mut first = pools.acquire(&alice, &main).await.unwrap();
    let second = pools.acquire(&alice, &main).await.unwrap();
    let old = [first.backend_pid(), second.backend_pid()];
    drop(second);
    silences.store(1, Ordering::SeqCst);
    let unanswered = first.start(Transaction::ReadOnly, "SELECT 1", &[]);
    assert!(tokio::time::timeout(Duration::from_millis(100), unanswered).await.is_err());
    drop(first);
    // The other one looks well, and is dead: it is handed out until the keeper knows.
    let mut fresh = loop {
        match pools.acquire(&alice, &main).await {
            Ok(lent) if !old.contains(&lent.backend_pid()) => break lent,
            Ok(_) | Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(one_value(&mut fresh, "SELECT 'fresh'").await, "fresh");
}
