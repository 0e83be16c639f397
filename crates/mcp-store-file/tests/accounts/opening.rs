//! Which state database is opened, which is refused, and which is set aside.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::PathBuf;

use mcp_store::{AccountStore as _, Change, StoreErrorKind};
use rusqlite::Connection;

use crate::support::{House, find, ids, lock, name, open, record, told};

async fn lived_in() -> House {
    let house = House::with("users: {}\n");
    let server = house.server();
    server.add_account(record("alice")).await.unwrap();
    open(&server, &record("alice"), 1).await.unwrap();
    lock(&server, &name("alice")).await;
    server.close().await;
    house
}

fn aside(house: &House) -> Vec<PathBuf> {
    let files = fs::read_dir(house.path()).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.to_string_lossy().contains(".damaged-")).collect()
}

#[tokio::test]
async fn a_restart_signs_nobody_out_and_lifts_no_lock() {
    let house = lived_in().await;
    let server = house.server();
    assert_eq!(ids(&server).await.len(), 1);
    assert!(find(&server, "alice").await.lockout.lock.is_some());
}

#[test]
fn a_database_that_others_may_read_is_refused() {
    let house = House::with("users: {}\n");
    drop(house.server());
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(house.state(), Permissions::from_mode(mode)).unwrap();
        let refused = house.open().unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Refused);
        assert_eq!(refused.hint, Some(format!("chmod 600 {}", house.state().display())));
    }
}

#[test]
fn a_link_in_place_of_the_database_is_refused() {
    let (house, other) = (House::empty(), House::empty());
    drop(other.server());
    symlink(other.state(), house.state()).unwrap();
    assert_eq!(house.open().unwrap_err().kind, StoreErrorKind::Refused);
}

#[test]
fn a_server_refuses_the_database_of_somebody_else_and_roots_tool_leaves_it_to_him() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let house = House::with("users: {}\n");
    chown(house.path(), Some(65_534), Some(65_534)).unwrap();
    let admin = house.admin();
    for file in ["", "-wal", "-shm", ".lock"] {
        let found = fs::metadata(format!("{}{file}", house.state().display())).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (65_534, 65_534, 0o600));
    }
    drop(admin);
    let refused = house.open().unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Refused);
    assert!(refused.hint.unwrap().starts_with("chown root "));
}

#[test]
fn what_was_left_by_one_that_was_killed_is_gone_when_the_next_one_opens() {
    let house = House::with("users: {}\n");
    let others = [".mcp-server-state.db.kept", ".users.yaml.AbCdEf.tmp"];
    for opens in [House::server, House::admin] {
        let left = house.path().join(".mcp-server-state.db.AbCdEf.tmp");
        fs::write(&left, "").unwrap();
        for other in others {
            fs::write(house.path().join(other), "").unwrap();
        }
        drop(opens(&house));
        assert!(!left.exists());
        for other in others {
            assert!(house.path().join(other).exists(), "{other} is not the database's");
        }
    }
}

#[tokio::test]
async fn an_operators_tool_leaves_no_log_beside_the_database() {
    let house = House::with("users: {}\n");
    for ends_by_closing in [true, false] {
        let admin = house.admin();
        let alice = record(if ends_by_closing { "alice" } else { "bob" });
        admin.add_account(alice.clone()).await.unwrap();
        open(&admin, &alice, u64::from(ends_by_closing)).await.unwrap();
        let log = house.path().join("mcp-server-state.db-wal");
        assert!(log.exists());
        if ends_by_closing {
            admin.close().await;
            let stopped = admin.accounts().await.unwrap_err();
            assert_eq!(stopped.kind, StoreErrorKind::Down);
        } else {
            drop(admin);
        }
        assert!(!log.exists());
    }
    assert_eq!(ids(&house.admin()).await.len(), 2);
}

#[test]
fn without_its_folder_there_is_no_database() {
    let house = House::empty();
    fs::remove_dir(house.path()).unwrap();
    let missing = house.open().unwrap_err();
    assert_eq!(missing.kind, StoreErrorKind::Missing);
    assert!(missing.hint.is_some());
    fs::create_dir(house.path()).unwrap();
}

#[tokio::test]
async fn a_damaged_database_is_set_aside_and_never_deleted() {
    let house = lived_in().await;
    let whole = fs::read(house.state()).unwrap();
    let pages = whole.len() / 4096;
    let (mut header, mut middle) = (whole.clone(), whole.clone());
    header[..16].fill(b'x');
    middle[4096..4096 * (pages - 1)].fill(0xa5);
    for (n, damaged) in [header, middle, b"not a database".repeat(1000)].iter().enumerate() {
        fs::write(house.state(), damaged).unwrap();
        let admin = house.open_as_admin().unwrap_err();
        assert_eq!((admin.kind, aside(&house).len()), (StoreErrorKind::Down, n));

        let server = house.server();
        let kept = aside(&house);
        assert_eq!(kept.len(), n + 1);
        assert!(kept.iter().any(|path| fs::read(path).unwrap() == *damaged));
        assert_eq!(ids(&server).await, []);
        open(&server, &record("alice"), 2).await.unwrap();
        assert_eq!(ids(&server).await.len(), 1);
        server.close().await;
    }
}

#[tokio::test]
async fn a_store_that_was_closed_is_down() {
    let house = lived_in().await;
    let server = house.server();
    let watch = tokio::spawn(server.watch().unwrap().run(std::future::pending()));
    server.close().await;
    watch.await.unwrap();
    assert_eq!(server.sessions().await.unwrap_err().kind, StoreErrorKind::Down);
    assert_eq!(ids(&house.server()).await.len(), 1);
    server.close().await;
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused_as_it_is() {
    let house = lived_in().await;
    let newer = Connection::open(house.state()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let refused = house.open().unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Refused);
    assert!(refused.fault.contains("layout 99"), "{refused}");
    assert_eq!(aside(&house), Vec::<PathBuf>::new());
    let same = Connection::open(house.state()).unwrap();
    let sessions: u32 =
        same.query_row("SELECT count(*) FROM session", (), |row| row.get(0)).unwrap();
    assert_eq!(sessions, 1);
}

#[test]
fn a_database_of_something_else_is_refused_as_it_is() {
    let house = House::empty();
    let other = Connection::open(house.state()).unwrap();
    other.execute_batch("CREATE TABLE account (balance INTEGER)").unwrap();
    drop(other);
    fs::set_permissions(house.state(), Permissions::from_mode(0o600)).unwrap();
    let before = fs::read(house.state()).unwrap();
    assert_eq!(house.open().unwrap_err().kind, StoreErrorKind::Refused);
    assert_eq!(fs::read(house.state()).unwrap(), before);
}

#[tokio::test]
async fn nothing_is_acknowledged_that_is_written_to_a_removed_file() {
    let house = lived_in().await;
    let server = house.server();
    let mut changes = server.changes();
    fs::rename(house.state(), house.path().join("elsewhere")).unwrap();
    told(&mut changes, Change::Everything).await;
    for _ in 0..2 {
        let lost = server.unlock_account(&name("alice")).await.unwrap_err();
        assert!(lost.to_string().contains("removed or replaced"), "{lost}");
        // What an admin does from now on, this server would not hear of.
        assert_eq!(server.sessions().await.unwrap_err().kind, StoreErrorKind::Down);
        // A restart makes a new one; this server does not mistake it for its own.
        assert_eq!(ids(&house.server()).await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_who_open_it_first_at_the_same_time_all_have_it() {
    let house = House::with("users: {}\n");
    std::thread::scope(|scope| {
        let opening: Vec<_> = (0..6).map(|_| scope.spawn(|| house.open().map(drop))).collect();
        for opened in opening {
            opened.join().unwrap().unwrap();
        }
    });
    assert_eq!(house.server().sessions().await, Ok(Vec::new()));
}
