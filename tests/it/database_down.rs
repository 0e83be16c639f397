//! A database that is not there, goes away, and comes back.

use support::Installation;

#[test]
fn a_server_starts_without_its_database_says_so_and_recovers() {
    let mut installation = Installation::new("CREATE TABLE t (a int); INSERT INTO t VALUES (7)");
    installation.postgres_mut().stop();
    let server = installation.start();
    let to = server.address();
    let (text, failed) = installation.query(to, "SELECT a FROM t");
    assert!(failed);
    assert_eq!(text, "Error: the database cannot be reached at the moment; try again later");
    server.wait_for_line("Database shop cannot be used: ");
    assert!(installation.query(to, "SELECT a FROM t").1);
    installation.postgres_mut().resume().unwrap();
    assert_eq!(installation.query(to, "SELECT a FROM t").0, "a\n7\n-- 1 row of database shop");
    server.wait_for_line("Database shop can be used again");
    assert_eq!(server.log().matches("cannot be used").count(), 1, "once per outage");
}

#[test]
fn a_restart_of_the_database_costs_no_more_than_one_answer() {
    let mut installation = Installation::new("CREATE TABLE t (a int); INSERT INTO t VALUES (7)");
    let server = installation.start();
    let to = server.address();
    assert!(!installation.query(to, "SELECT a FROM t").1);
    installation.postgres_mut().restart().unwrap();
    let answers: Vec<_> = (0..3).map(|_| installation.query(to, "SELECT a FROM t")).collect();
    assert!(!answers[1].1 && !answers[2].1, "{answers:?}");
    assert!(!answers[0].0.contains("socket") && !answers[0].0.contains("agent"), "{answers:?}");
}
