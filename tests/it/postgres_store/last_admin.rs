//! The last admin stays, at however many servers the others are taken away.

use std::net::SocketAddr;
use std::thread;

use support::{Installation, Request, eventually};

use super::{PASSWORD, by_hand, installed, opens};

const USERS: &str = "/auth/email/admin/users";
/// So many requests are made at once.
const AT_ONCE: usize = 20;
const ROUNDS: usize = 3;

/// By one of three ways; the status.
fn take_away(to: SocketAddr, token: &str, who: &str, way: usize) -> u16 {
    let path = format!("{USERS}/{who}");
    let ask = |method: &str, body: &str| {
        let request = Request::new(method, &path).bearer(token);
        request.header("Content-Type", "application/json").body(body).send(to).status
    };
    match way % 3 {
        0 => Request::new("DELETE", &path).bearer(token).send(to).status,
        1 => ask("PATCH", r#"{"is_admin":false}"#),
        _ => ask("PUT", r#"{"is_active":false}"#),
    }
}

fn two_admins(installation: &Installation) {
    by_hand(
        installation,
        "DELETE FROM users; INSERT INTO users (username, password_hash, roles) \
         SELECT name, '$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234', \
                '[\"admin\"]' FROM unnest('{ann,bob}'::text[]) AS name",
    );
}

#[test]
fn of_the_last_two_admins_one_stays_however_many_take_them_away_at_two_servers() {
    let installation = installed("");
    let token = installation.add_token(&["--role", "admin"]);
    let (one, two) = (installation.start(), installation.start());
    let servers = [one.address(), two.address()];
    assert!(eventually(|| servers.iter().all(|to| opens(*to, &token))));
    for round in 0..ROUNDS {
        two_admins(&installation);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let rivals: Vec<_> = (0..AT_ONCE)
                .map(|n| {
                    let who = if n % 4 < 2 { "ann" } else { "bob" };
                    let (to, token) = (servers[n % 2], &token);
                    scope.spawn(move || take_away(to, token, who, n + round))
                })
                .collect();
            rivals.into_iter().map(|rival| rival.join().unwrap()).collect()
        });
        let left = "SELECT count(*) FROM users WHERE is_admin AND is_active";
        assert_eq!(by_hand(&installation, left).trim_end(), "1", "{statuses:?}");
        assert!(statuses.contains(&200) && statuses.contains(&400), "{statuses:?}");
        let known = |status: &u16| [200, 400, 404].contains(status);
        assert!(statuses.iter().all(known), "{statuses:?}");
    }
}

#[test]
fn the_operator_may_take_the_last_admin_away_and_is_told_and_a_server_may_not() {
    let installation = installed("");
    let token = installation.add_token(&["--role", "admin"]);
    two_admins(&installation);
    let server = installation.start();
    let to = server.address();
    assert!(eventually(|| opens(to, &token)));
    let disabled = installation.admin(&["users", "disable", "ann"]);
    assert!(disabled.status.success());
    assert!(!String::from_utf8_lossy(&disabled.stderr).contains("nobody is admin"));
    for way in 0..3 {
        assert_eq!(take_away(to, &token, "bob", way), 400, "way {way}");
    }
    for taking in [&["users", "disable", "bob"][..], &["users", "delete", "bob", "--yes"]] {
        let done = installation.admin(taking);
        assert!(done.status.success());
        let told = String::from_utf8_lossy(&done.stderr).contains("nobody is admin any more");
        // Once disabled, bob is no admin who could be taken away.
        assert_eq!(told, taking[1] == "disable", "{taking:?}");
    }
}

#[test]
fn a_list_of_accounts_is_read_a_page_at_a_time_in_the_order_of_names() {
    let installation = installed("");
    let token = installation.add_token(&["--role", "admin"]);
    installation.add_user("zoe", PASSWORD);
    by_hand(
        &installation,
        "INSERT INTO users (username, password_hash) SELECT 'user ' || n, 'x' \
         FROM generate_series(1, 120) AS n",
    );
    let server = installation.start();
    let to = server.address();
    assert!(eventually(|| opens(to, &token)));
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let more = cursor.map(|cursor: String| format!("&cursor={cursor}")).unwrap_or_default();
        let page = Request::new("GET", &format!("{USERS}?limit=50{more}")).bearer(&token).send(to);
        let page = page.json();
        let users = page["users"].as_array().unwrap();
        assert!(users.len() <= 50);
        names.extend(users.iter().map(|user| user["username"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = Some(next.to_owned());
    }
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!((names.len(), names), (121, sorted));
}
