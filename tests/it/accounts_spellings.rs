//! Names and addresses that look alike, or become alike when somebody changes their case: each is one
//! account or none, and never another's, on both stores.

use std::fs;

use serde_json::json;
use support::{Installation, Request, ServerProcess, eventually};

const PASSWORD: &str = "SecurePassword123!";
const QUICK: &str = "passwords:\n  bcrypt_cost: 4\n  argon2_memory_kib: 8192\n  argon2_time: 1\n  \
                     min_response_ms: 0\npassword_reset:\n  min_response_ms: 0\n  rate_limit: 1000\n\
                     mail:\n  outbox: directory:letters\n";
const PATIENT: &str = "    rate_limit_max_attempts: 1000\n";

/// An account, the spellings that are it as well, and those that are not.
struct Name {
    account: &'static str,
    same: &'static [&'static str],
    others: &'static [&'static str],
}

const NAMES: [Name; 4] = [
    // Full width, a ligature, and letters that are others' compatibility forms.
    Name {
        account: "skiff",
        same: &["SKIFF", "ｓｋｉｆｆ", "ski\u{fb00}", "\u{17f}kiff", "S\u{212a}IFF"],
        others: &["sk\u{131}ff", "SK\u{130}FF", "sk\u{456}ff"],
    },
    Name {
        account: "straße",
        same: &["STRA\u{1e9e}E", "Straße"],
        others: &["strasse", "STRASSE", "stra\u{df}\u{301}e"],
    },
    Name {
        account: "\u{131}lgaz",
        same: &["\u{131}LGAZ"],
        others: &["ilgaz", "ILGAZ", "\u{130}lgaz"],
    },
    // Composed and decomposed.
    Name {
        account: "zoë",
        same: &["ZOE\u{308}", "ZO\u{cb}"],
        others: &["zoe", "zo\u{435}\u{308}"],
    },
];

fn log_in(server: &ServerProcess, name: &str) -> (u16, String) {
    let body = json!({ "username": name, "password": PASSWORD }).to_string();
    let request = Request::new("POST", "/auth/login").header("Content-Type", "application/json");
    let answer = request.body(&body).send(server.address());
    let user = answer.json()["user"]["username"].as_str().unwrap_or_default().to_owned();
    (answer.status, user)
}

fn files() -> Installation {
    let installation = Installation::new("");
    installation.write_config_with_users(PATIENT, QUICK);
    installation
}

fn tables() -> Installation {
    let installation = crate::postgres_store::installed("");
    let dsn = installation.postgres().dsn_as("keeper", "people");
    let more = format!("{QUICK}users:\n  database_dsn: \"{dsn}\"\n");
    installation.write_config_with_users(PATIENT, &more);
    installation
}

fn each_name_is_one_account_in_every_spelling(installation: &Installation) {
    for Name { account, .. } in &NAMES {
        installation.add_user(account, PASSWORD);
    }
    let server = installation.start();
    for Name { account, same, others } in &NAMES {
        for spelling in [account].into_iter().chain(*same) {
            let (status, user) = log_in(&server, spelling);
            assert_eq!((status, user.as_str()), (200, *account), "{spelling:?}");
            let add = ["users", "add", spelling, "--note", "x", "--password-stdin"];
            let again = installation.admin_reading(&add, &format!("{PASSWORD}\n"));
            assert_eq!(again.status.code(), Some(1), "{spelling:?} is taken");
        }
        for other in *others {
            assert_eq!(log_in(&server, other).0, 401, "{other:?} is not {account}");
        }
    }
}

#[test]
fn a_name_is_one_account_in_every_spelling_in_files() {
    each_name_is_one_account_in_every_spelling(&files());
}

#[test]
fn a_name_is_one_account_in_every_spelling_in_postgresql() {
    each_name_is_one_account_in_every_spelling(&tables());
}

/// Addresses that are not alice's, though they become hers in the capitals of some language.
const NOT_HERS: [&str; 5] = [
    "al\u{131}ce@example.com",
    "AL\u{130}CE@example.com",
    "alice@ex\u{430}mple.com",
    "alice@example.com.eve.example",
    "alice+1@example.com",
];
const HERS: [&str; 3] =
    ["ALICE@EXAMPLE.COM", "\u{ff21}lice@example.com", "alice@\u{ff45}xample.com"];

fn no_letter_goes_to_an_address_that_only_looks_like_one(installation: &Installation) {
    fs::create_dir(installation.path().join("letters")).unwrap();
    installation.add_user("alice", PASSWORD);
    let email = ["users", "update", "alice", "--email", "alice@example.com"];
    assert!(installation.admin(&email).status.success());
    let server = installation.start();
    let forgot = |email: &str| {
        let request = Request::new("POST", "/auth/email/forgot-password");
        let request = request.header("Content-Type", "application/json");
        request.body(&json!({ "email": email }).to_string()).send(server.address()).status
    };
    let letters = || {
        let files = fs::read_dir(installation.path().join("letters")).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let whole = files.filter(|path| path.extension().is_some_and(|end| end == "eml"));
        whole.map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(NOT_HERS.map(forgot), [200; 5]);
    let nobodys = || {
        let sent = crate::recovery::audited(installation, "send_letter").into_iter();
        sent.filter(|event| event["reason"] == "no_recipient").count()
    };
    assert!(eventually(|| nobodys() == NOT_HERS.len()), "{} letters", letters().len());
    assert!(letters().is_empty());
    assert_eq!(HERS.map(forgot), [200; 3]);
    assert!(eventually(|| letters().len() == HERS.len()), "{} letters", letters().len());
    assert!(letters().iter().all(|letter| letter.contains("To: alice@example.com\r\n")));
}

#[test]
fn no_letter_goes_to_an_address_that_only_looks_like_one_in_files() {
    no_letter_goes_to_an_address_that_only_looks_like_one(&files());
}

#[test]
fn no_letter_goes_to_an_address_that_only_looks_like_one_in_postgresql() {
    no_letter_goes_to_an_address_that_only_looks_like_one(&tables());
}
