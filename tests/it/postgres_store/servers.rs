//! Several servers on one database: what happens at one holds at all.

use serde_json::Value;
use support::{Request, eventually};

use super::{PASSWORD, by_hand, closes, installed, log_in, logs_in, opens, session};

#[test]
fn what_is_ended_at_one_server_is_refused_by_the_other() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let token = installation.add_token(&[]);
    let (one, two) = (installation.start(), installation.start());
    let (here, there) = (one.address(), two.address());
    let opened = session(here, "alice", PASSWORD);
    assert!(opens(there, &opened), "no sticky sessions");
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
fn failures_of_one_address_are_counted_together_whoever_is_asked() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let (one, two) = (installation.start(), installation.start());
    let servers = [one.address(), two.address()];
    // Ten in a quarter of an hour, each of a name of its own: no account locks.
    for attempt in 0..10 {
        let refused = log_in(servers[attempt % 2], &format!("nobody{attempt}"), PASSWORD);
        assert!(refused.text().contains("invalid username or password"), "{}", refused.text());
    }
    for to in servers {
        assert!(log_in(to, "alice", PASSWORD).text().contains("too many failed"), "at {to}");
    }
    let kept = by_hand(&installation, "SELECT address, refused_until > now() FROM mcp_addresses");
    assert_eq!(kept.trim_end(), "127.0.0.1|t");
    by_hand(&installation, "DELETE FROM mcp_addresses");
    assert!(eventually(|| servers.iter().all(|to| logs_in(*to, "alice", PASSWORD))));
}

#[test]
fn a_name_of_nobody_locks_at_every_server() {
    let installation = installed("");
    let (one, two) = (installation.start(), installation.start());
    let servers = [one.address(), two.address()];
    for attempt in 0..5 {
        log_in(servers[attempt % 2], "nobody", &format!("Wrong{attempt}Password"));
    }
    let locked = "SELECT failed_login_attempts, locked_until > now() FROM mcp_nobody";
    assert_eq!(by_hand(&installation, locked).trim_end(), "5|t");
    log_in(servers[0], "nobody", PASSWORD);
    assert_eq!(by_hand(&installation, locked).trim_end(), "5|t");
}

#[test]
fn what_happens_at_any_server_is_in_one_record() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let (one, mut two) = (installation.start(), installation.start());
    let (here, there) = (one.address(), two.address());
    assert!(logs_in(here, "alice", PASSWORD));
    assert!(!logs_in(there, "alice", "WrongPassword1"));
    assert!(!logs_in(there, "mallory", PASSWORD));
    let told = |arguments: &[&str]| {
        let output = installation.admin(&[&["audit"], arguments].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let logins = |text: &str| text.lines().filter(|line| line.contains(" login ")).count();
    assert!(eventually(|| logins(&told(&[])) == 3), "{}", told(&[]));
    let all = told(&[]);
    for words in ["add_user", "wrong_password user=alice", "unknown_user user=(unknown)"] {
        assert!(all.contains(words), "no {words:?} in:\n{all}");
    }
    assert!(!all.contains("mallory"), "{all}");
    assert_eq!(logins(&told(&["--user", "ALICE"])), 2);
    let events: Value = serde_json::from_str(&told(&["--since", "1h", "--json"])).unwrap();
    assert_eq!(
        events["total"],
        by_hand(&installation, "SELECT count(*) FROM auth_events")
            .trim_end()
            .parse::<u64>()
            .unwrap()
    );
    // What was recorded last is there when a server was told to stop.
    assert!(logs_in(there, "alice", PASSWORD));
    two.signal("TERM");
    assert!(two.wait().success());
    assert_eq!(logins(&told(&[])), 4);
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

#[test]
fn what_happened_on_one_server_is_told_by_every_other() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let (one, two) = (installation.start(), installation.start());
    assert!(!logs_in(one.address(), "alice", "Wrong1Password"));
    let token = session(two.address(), "alice", PASSWORD);
    let outcomes = || {
        let asked = Request::new("GET", "/auth/email/events?limit=10").bearer(&token);
        let answer = asked.send(two.address());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let events = answer.json()["events"].as_array().unwrap().clone();
        let logins = events.iter().filter(|event| event["action"] == "login");
        let outcome = |event: &Value| event["outcome"].as_str().unwrap().to_owned();
        let mut outcomes: Vec<_> = logins.map(outcome).collect();
        outcomes.sort_unstable();
        outcomes
    };
    assert!(eventually(|| outcomes() == ["done", "refused"]), "{:?}", outcomes());
}
