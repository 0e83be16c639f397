//! Passwords of before: the strict policy lets nobody set one of the last five again, by whatever
//! way, and the others remember none.

use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};
use support::{Installation, Request, Response, ServerProcess, eventually};

use crate::postgres_store::{by_hand, installed};

/// Oldest first.
const PASSWORDS: [&str; 6] = [
    "Vivid-Otters-72",
    "Quiet-Harbour-58",
    "Plain-Copper-93",
    "Windy-Marble-46",
    "Amber-Tunnel-85",
    "Solid-Pepper-27",
];
const ROOT: &str = "Brisk-Lantern-61";
const USED: &str = "None of your last 5 passwords";

/// Cheap hashes, and no floor under the time of an answer: nothing here measures time.
const QUICK: &str = "passwords:\n  bcrypt_cost: 4\n  min_response_ms: 0\n";
/// Tests fail more often than people do.
const PATIENT: &str =
    "    rate_limit_max_attempts: 1000\n    max_failed_attempts_before_lockout: 0\n";

/// Who sets a password, and with what.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Its owner, who knows the one of before.
    Own,
    /// Whoever has a link.
    Link,
    /// An admin, over HTTP.
    Admin,
    /// The operator, by `mcp-admin`.
    Operator,
}

const WAYS: [Way; 4] = [Way::Own, Way::Link, Way::Admin, Way::Operator];

/// A server with the user `alice`, who has the oldest password, and the admin `root`.
struct House {
    installation: Installation,
    server: ServerProcess,
}

impl House {
    fn on_files(policy: &str) -> Self {
        let installation = Installation::new("");
        installation.write_config_with_users("", QUICK);
        Self::with(policy, installation)
    }

    fn in_postgres(policy: &str) -> Self {
        Self::with(policy, installed(""))
    }

    fn with(policy: &str, installation: Installation) -> Self {
        let config = fs::read_to_string(installation.config()).unwrap();
        let tokens = "    token_file: tokens.yaml\n";
        let patient = config.replacen(tokens, &format!("{tokens}{PATIENT}"), 1);
        let named = format!("passwords:\n  policy: {policy}\n");
        let remembering = patient.replacen("passwords:\n", &named, 1);
        fs::write(installation.config(), remembering).unwrap();
        installation.add_user("alice", PASSWORDS[0]);
        let root = ["users", "add", "root", "--role", "admin", "--note", "x", "--password-stdin"];
        let added = installation.admin_reading(&root, &format!("{ROOT}\n"));
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let server = installation.start();
        Self { installation, server }
    }

    fn to(&self) -> SocketAddr {
        self.server.address()
    }

    fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> Response {
        let json = ("Content-Type", "application/json");
        let request = Request::new(method, path).header(json.0, json.1).body(&body.to_string());
        let request = if token.is_empty() { request } else { request.bearer(token) };
        request.send(self.to())
    }

    /// Word of a new password takes a moment.
    fn session(&self, name: &str, password: &str) -> String {
        let mut token = None;
        assert!(eventually(|| {
            let body = json!({ "username": name, "password": password });
            let answer = self.send("POST", "/auth/login", "", &body);
            token = answer.json()["access_token"].as_str().map(str::to_owned);
            token.is_some()
        }));
        token.unwrap()
    }

    /// Has alice, who has one password, another one: is it set?
    fn sets(&self, way: Way, current: &str, new: &str) -> bool {
        let session = self.session("alice", current);
        let answer = match way {
            Way::Own => {
                let body = json!({ "old_password": current, "new_password": new });
                self.send("POST", "/auth/email/change-password", &session, &body)
            }
            Way::Link => {
                let minted = self.installation.admin(&["users", "reset-link", "alice"]);
                let link = String::from_utf8(minted.stdout).unwrap();
                let secret = link.trim().rsplit('/').next().unwrap();
                let path = format!("/auth/email/reset-password/{secret}");
                let body = json!({ "new_password": new, "confirm_password": new });
                self.send("POST", &path, "", &body)
            }
            Way::Admin => {
                let root = self.session("root", ROOT);
                let path = "/auth/email/admin/users/alice";
                self.send("PATCH", path, &root, &json!({ "password": new }))
            }
            Way::Operator => return self.sets_as_operator(new),
        };
        if answer.status == 200 {
            return true;
        }
        let itself = way == Way::Own && current == new;
        let rule = if itself { "Different from the old password" } else { USED };
        assert_eq!(answer.status, 400, "{way:?}: {}", answer.text());
        assert_eq!(answer.json()["failed_rules"], json!([rule]), "{way:?}");
        false
    }

    fn sets_as_operator(&self, new: &str) -> bool {
        let update = ["users", "update", "alice", "--password-stdin"];
        let updated = self.installation.admin_reading(&update, &format!("{new}\n"));
        if updated.status.success() {
            return true;
        }
        let said = String::from_utf8_lossy(&updated.stderr).into_owned();
        assert_eq!(updated.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("the password breaks the policy: {USED}")), "{said}");
        false
    }

    /// How many hashes lie in the files of the state database.
    fn hashes_in_state(&self) -> usize {
        let files = fs::read_dir(self.installation.path()).unwrap().map(Result::unwrap);
        let state = files.filter(|file| file.file_name().to_string_lossy().contains("state.db"));
        let hashes = |bytes: Vec<u8>| bytes.windows(7).filter(|text| text == b"$2b$04$").count();
        state.map(|file| hashes(fs::read(file.path()).unwrap())).sum()
    }

    fn hashes_in_database(&self) -> String {
        by_hand(&self.installation, "SELECT count(*) FROM password_history").trim().to_owned()
    }
}

fn the_last_five_are_refused_and_the_sixth_last_is_taken(house: &House) {
    for (pair, way) in PASSWORDS.windows(2).zip(WAYS.into_iter().cycle()) {
        assert!(house.sets(way, pair[0], pair[1]), "{way:?} sets one that is new");
    }
    let mut last = PASSWORDS;
    for way in WAYS {
        let [oldest, used @ .., current] = last;
        for used in used.into_iter().chain([current]) {
            assert!(!house.sets(way, current, used), "{way:?} does not set {used}");
        }
        assert!(house.sets(way, current, oldest), "{way:?} sets the sixth last");
        last.rotate_left(1);
    }
}

#[test]
fn with_the_strict_policy_none_of_the_last_five_is_set_again() {
    let house = House::on_files("strict");
    the_last_five_are_refused_and_the_sixth_last_is_taken(&house);
    assert!(house.hashes_in_state() > 0);
}

#[test]
fn with_the_strict_policy_none_of_the_last_five_is_set_again_in_postgresql() {
    let house = House::in_postgres("strict");
    the_last_five_are_refused_and_the_sixth_last_is_taken(&house);
    assert_eq!(house.hashes_in_database(), "4");
    let deleted = house.installation.admin(&["users", "delete", "alice", "--yes"]);
    assert!(deleted.status.success(), "{}", String::from_utf8_lossy(&deleted.stderr));
    assert_eq!(house.hashes_in_database(), "0", "they go with the account");
}

#[test]
fn with_another_policy_the_password_of_before_is_set_again_and_none_is_kept() {
    let (files, postgres) = (House::on_files("classic"), House::in_postgres("classic"));
    let [one, other, ..] = PASSWORDS;
    for house in [&files, &postgres] {
        // A link lays what it sets into the state database for a moment.
        for way in [Way::Own, Way::Admin, Way::Operator] {
            assert!(house.sets(way, one, other) && house.sets(way, other, one), "{way:?}");
        }
    }
    assert_eq!(files.hashes_in_state(), 0);
    assert_eq!(postgres.hashes_in_database(), "0");
}

#[test]
fn who_changes_to_a_policy_that_remembers_nothing_forgets_with_the_next_password() {
    let house = House::in_postgres("strict");
    let [first, second, third, ..] = PASSWORDS;
    assert!(house.sets(Way::Operator, first, second));
    assert_eq!(house.hashes_in_database(), "1");
    let config = fs::read_to_string(house.installation.config()).unwrap();
    let classic = config.replace("policy: strict", "policy: classic");
    fs::write(house.installation.config(), classic).unwrap();
    assert!(house.sets(Way::Operator, second, third));
    assert_eq!(house.hashes_in_database(), "0");
}
