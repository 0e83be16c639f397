//! Two hundred clients at the door at once, of whom some know the password: who does gets in or is
//! asked to come back, who has a token notices nothing, and no account is worse off for it.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};
use support::{Installation, Request, Response};

const CLIENTS: usize = 200;
const USERS: usize = 4;
const PASSWORD: &str = "SecurePassword123!";
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;

/// Hashes of a few milliseconds on one thread, so that a queue forms.
const SLOW_DOOR: &str = "passwords:\n  bcrypt_cost: 8\n  hash_workers: 1\n  min_response_ms: 0\n";

/// All clients are one address here, and its failures are not what this is about.
const MANY_FAILURES: &str = "    rate_limit_max_attempts: 10000\n";

/// What a client tries, and what came of it.
struct Tried {
    user: usize,
    knows: bool,
    answer: Response,
}

fn installation(auth: &str) -> Installation {
    let installation = Installation::new("");
    installation.write_config_with_users(&format!("{MANY_FAILURES}{auth}"), SLOW_DOOR);
    for user in 0..USERS {
        installation.add_user(&name_of(user), PASSWORD);
    }
    installation
}

fn name_of(user: usize) -> String {
    format!("user-{user}")
}

fn log_in(to: SocketAddr, name: &str, password: &str) -> Response {
    let arguments = json!({ "username": name, "password": password });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    Request::mcp(&message).send(to)
}

/// The session that a login opened, if it opened one.
fn session_of(answer: &Response) -> Option<String> {
    let answer = answer.json();
    let said: Value =
        serde_json::from_str(answer["result"]["content"][0]["text"].as_str()?).ok()?;
    said["session_token"].as_str().map(str::to_owned)
}

fn opens(to: SocketAddr, token: &str) -> bool {
    Request::raw_mcp(LIST).bearer(token).send(to).status == 200
}

/// Lets all clients try at once, each `knows` says whether with the right password; somebody with
/// a token lists the tools until the last has been answered.
fn storm(to: SocketAddr, token: &str, knows: impl Fn(usize) -> bool + Sync) -> Vec<Tried> {
    let start = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        let (start, knows) = (&start, &knows);
        let attempt = move |client: usize| {
            let (user, knows) = (client % USERS, knows(client));
            let password = if knows { PASSWORD.to_owned() } else { format!("guess {client}") };
            start.wait();
            Tried { user, knows, answer: log_in(to, &name_of(user), &password) }
        };
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || attempt(client))).collect();
        let mut served = 0;
        while served == 0 || clients.iter().any(|client| !client.is_finished()) {
            assert!(opens(to, token), "a token is served in the storm");
            served += 1;
        }
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// Busy, and when to come back.
fn is_asked_back(answer: &Response) -> bool {
    let after = answer.header("retry-after").and_then(|after| after.parse::<u32>().ok());
    answer.status == 503 && after.is_some_and(|after| after >= 1)
}

#[test]
fn in_a_storm_of_logins_who_knows_the_password_gets_in_or_is_asked_back() {
    let installation = installation("");
    let server = installation.start();
    let to = server.address();
    let tried = storm(to, installation.token(), |client| client % 3 == 0);
    let mut let_in = 0;
    for Tried { user, knows, answer } in &tried {
        let session = session_of(answer);
        match (*knows, &session) {
            (true, Some(session)) => {
                let_in += 1;
                assert!(opens(to, session), "user-{user} has a session that opens");
            }
            (true, None) => assert!(is_asked_back(answer), "{} {}", answer.status, answer.text()),
            (false, _) => assert!(session.is_none(), "a guess opens nothing"),
        }
    }
    assert!(let_in > 0, "the door is slow, and not shut");
    for user in 0..USERS {
        let after =
            support::eventually(|| session_of(&log_in(to, &name_of(user), PASSWORD)).is_some());
        assert!(after, "user-{user} gets in after the storm: nobody was locked");
    }
}

#[test]
fn a_storm_of_right_passwords_locks_nobody_where_few_failures_would() {
    let installation = installation("    max_failed_attempts_before_lockout: 2\n");
    let server = installation.start();
    let to = server.address();
    for Tried { user, answer, .. } in storm(to, installation.token(), |_| true) {
        let is_in = session_of(&answer).is_some();
        assert!(is_in || is_asked_back(&answer), "user-{user}: {}", answer.text());
    }
    for user in 0..USERS {
        let after =
            support::eventually(|| session_of(&log_in(to, &name_of(user), PASSWORD)).is_some());
        assert!(after, "user-{user} is not locked");
    }
}

#[test]
fn a_storm_of_guesses_locks_the_account_that_it_is_for_and_no_other() {
    let installation = installation("    max_failed_attempts_before_lockout: 2\n");
    let server = installation.start();
    let to = server.address();
    let token = installation.token();
    // user-0 is guessed at; those who log in as the others know their passwords.
    let tried = storm(to, token, |client| client % USERS != 0);
    assert!(tried.iter().all(|tried| tried.knows || session_of(&tried.answer).is_none()));
    let locked = support::eventually(|| {
        let answer = log_in(to, &name_of(0), PASSWORD);
        answer.status == 200 && session_of(&answer).is_none()
    });
    assert!(locked, "the guesses locked user-0");
    for user in 1..USERS {
        let after =
            support::eventually(|| session_of(&log_in(to, &name_of(user), PASSWORD)).is_some());
        assert!(after, "user-{user} is not locked");
    }
    assert!(opens(to, token));
}
