//! Several servers on one database: what happens at one holds at all.

use support::{Request, eventually};

use super::{PASSWORD, closes, installed, logs_in, opens, session};

#[test]
fn what_is_ended_at_one_server_is_refused_by_the_other() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let token = installation.add_token(&[]);
    let (one, two) = (installation.start(), installation.start());
    let (here, there) = (one.address(), two.address());
    let opened = session(here, "alice", PASSWORD);
    assert!(eventually(|| opens(there, &opened)), "no sticky sessions");
    assert!(opens(there, &token));

    assert_eq!(Request::new("POST", "/auth/logout").bearer(&opened).send(there).status, 200);
    assert!(!opens(there, &opened) && closes(here, &opened));
    let id = installation.newest_id();
    assert!(installation.admin(&["tokens", "remove", &id]).status.success());
    assert!(closes(here, &token) && closes(there, &token));
}

#[test]
fn guesses_are_counted_together_and_an_unlock_holds_everywhere() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let (one, two) = (installation.start(), installation.start());
    let (here, there) = (one.address(), two.address());
    for attempt in 0..5 {
        let at = if attempt % 2 == 0 { here } else { there };
        assert!(!logs_in(at, "alice", &format!("Wrong{attempt}Password")));
    }
    assert!(!logs_in(here, "alice", PASSWORD) && !logs_in(there, "alice", PASSWORD));
    assert!(installation.admin(&["users", "unlock", "alice"]).status.success());
    assert!(logs_in(here, "alice", PASSWORD) && logs_in(there, "alice", PASSWORD));
}

#[test]
fn servers_that_start_at_once_make_the_tables_once() {
    let installation = installed("");
    let servers = [installation.start(), installation.start(), installation.start()];
    let made: usize = servers
        .iter()
        .map(|server| {
            let _ = server.address();
            server.log().matches("Made the tables of users and tokens").count()
        })
        .sum();
    assert_eq!(made, 1);
}
