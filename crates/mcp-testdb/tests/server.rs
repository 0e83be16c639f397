//! What a throwaway server promises, on the installed PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mcp_testdb::{Error, Locate, Options, Postgres, Tcp};

/// As `for_tests`, with a cache of the test's own.
fn start_in(cache: &Path) -> Result<Postgres, Error> {
    let locate = Locate { bin_dir: None, path: Some("/usr/local/bin:/usr/bin".into()) };
    Postgres::start(&locate, cache, Options::default())
}

/// A directory that the account `postgres` can enter, unlike those of `tempfile` itself.
fn open_dir() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("mcp-testdb-test-").tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn entries(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect()
}

#[test]
fn a_server_listens_on_a_private_socket_and_not_on_tcp() {
    let server = Postgres::for_tests().unwrap();
    assert_eq!(server.execute("postgres", "SHOW listen_addresses").unwrap(), "\n");
    let mode = fs::metadata(server.socket_dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn setup_sql_that_fails_says_so() {
    let server = Postgres::for_tests().unwrap();
    let refused = server.execute("postgres", "SELECT 1; SELECT nothing_of_that_name; SELECT 2");
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("nothing_of_that_name"), "{told}");
}

#[test]
fn a_long_script_with_a_long_answer_comes_through() {
    let server = Postgres::for_tests().unwrap();
    let script = "SELECT repeat('x', 1000);\n".repeat(2_000);
    assert_eq!(server.execute("postgres", &script).unwrap().len(), 2_000 * 1_001);
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let server = std::thread::spawn(Postgres::for_tests).join().unwrap().unwrap();
    assert_eq!(server.execute("postgres", "SELECT 1").unwrap(), "1\n");
}

#[test]
fn a_stopped_server_comes_back_with_its_data_at_the_same_address() {
    let mut server = Postgres::for_tests().unwrap();
    server.execute("postgres", "CREATE TABLE kept AS SELECT 7 AS n").unwrap();
    let dsn = server.dsn("postgres");
    server.stop();
    assert_eq!(server.pid(), None);
    server.execute("postgres", "SELECT 1").unwrap_err();
    server.resume().unwrap();
    assert_eq!(server.execute("postgres", "TABLE kept").unwrap(), "7\n");
    server.restart().unwrap();
    assert_eq!(server.execute("postgres", "TABLE kept").unwrap(), "7\n");
    assert_eq!(server.dsn("postgres"), dsn);
}

#[test]
fn a_setting_of_the_caller_wins_over_ours() {
    let settings = vec![("max_connections".to_owned(), "13".to_owned())];
    let server = Postgres::for_tests_with(Options { tcp: None, settings }).unwrap();
    assert_eq!(server.execute("postgres", "SHOW max_connections").unwrap(), "13\n");
}

#[test]
fn a_setting_that_does_not_exist_is_named_in_the_error() {
    let settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
    let refused = Postgres::for_tests_with(Options { tcp: None, settings }).err().unwrap();
    assert!(refused.to_string().contains("no_such_setting"), "{refused}");
}

#[test]
fn tcp_is_on_when_it_is_asked_for() {
    let tcp = Tcp { password: "it's".into(), tls: None };
    let server = Postgres::for_tests_with(Options { tcp: Some(tcp), settings: vec![] }).unwrap();
    TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let hidden =
        "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'postgres'";
    assert_eq!(server.execute("postgres", hidden).unwrap(), "t\n");
}

#[test]
fn several_at_once_share_one_template_and_leave_only_that() {
    let cache = open_dir();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let server = start_in(cache.path()).unwrap();
                assert_eq!(server.execute("postgres", "SELECT 1").unwrap(), "1\n");
            });
        }
    });
    assert_eq!(entries(cache.path(), "template-").len(), 1);
    assert_eq!(entries(cache.path(), "run-").len(), 0);
    assert_eq!(entries(cache.path(), "building-").len(), 0);
}

#[test]
fn a_cache_that_others_can_write_to_is_refused() {
    let cache = open_dir();
    fs::set_permissions(cache.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = start_in(cache.path()).err().unwrap();
    assert!(matches!(refused, Error::UntrustedCache { .. }), "{refused}");
}

#[test]
fn a_directory_without_the_programs_is_named_in_the_error() {
    let empty = open_dir();
    let locate = Locate { bin_dir: Some(empty.path().to_owned()), path: None };
    let refused = locate.find().unwrap_err().to_string();
    assert!(refused.contains(&empty.path().display().to_string()), "{refused}");
}

/// Death of the parent reaches the server by way of `setpriv`, which Linux alone has.
#[cfg(target_os = "linux")]
mod killed {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn killing_the_owner_kills_its_server_and_the_next_one_sweeps_its_files() {
        let cache = open_dir();
        let mut owner = Command::new(example("hold_postgres"))
            .arg(cache.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(owner.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        let postmaster = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        owner.kill().unwrap();
        owner.wait().unwrap();

        let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
        let gone = poll(&mut [PollFd::new(&postmaster, PollFlags::IN)], Some(&patience)).unwrap();
        assert_eq!(gone, 1, "the postmaster outlived its owner");

        assert_eq!(entries(cache.path(), "run-").len(), 2, "a directory and its lock");
        drop(start_in(cache.path()).unwrap());
        assert_eq!(entries(cache.path(), "run-").len(), 0);
    }

    /// Cargo builds examples with the tests and puts them beside.
    fn example(name: &str) -> PathBuf {
        let test = std::env::current_exe().unwrap();
        test.parent().unwrap().parent().unwrap().join("examples").join(name)
    }
}
