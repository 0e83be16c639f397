//! What the OpenAPI document says is what the server does.

use support::{Request, clients};

use crate::accounts_rest::{House, PASSWORD, REGISTRATION};

/// Who asks for a letter gets one, and is not made to wait: nothing here measures time.
const LETTERS: &str = "mail:\n  outbox: directory:letters\npassword_reset:\n  min_response_ms: 0\n";

/// Asks with that token what the options say.
fn ask_everything(house: &House, token: &str, options: &[&str]) {
    let mut client = clients::python("python-openapi", "openapi.py");
    client.arg(format!("http://{}", house.server.address())).arg(token).args(options);
    // It keeps what it learnt where it runs.
    let output = client.current_dir(house.installation.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains(" passed"), "{told}");
}

#[test]
fn the_document_is_served_as_it_is_checked_in() {
    let house = House::new();
    let served = Request::new("GET", "/openapi.json").send(house.server.address());
    assert_eq!((served.status, served.header("content-type")), (200, Some("application/json")));
    let checked_in = include_str!("../../docs/openapi.json");
    assert_eq!(served.text(), checked_in, "run `cargo xtask schema`");
    let other = Request::new("POST", "/openapi.json").send(house.server.address());
    assert_eq!((other.status, other.header("allow")), (405, Some("GET")));
}

#[test]
fn an_admin_gets_no_answer_that_the_document_does_not_tell_of() {
    let house = House::writing(REGISTRATION, LETTERS);
    let token = house.installation.add_token(&["--role", "admin"]);
    let path = "/auth/email/admin/users";
    let is_known = || house.ask("GET", path, &token, &serde_json::Value::Null).status == 200;
    assert!(support::eventually(is_known));
    ask_everything(&house, &token, &[]);
}

#[test]
fn who_has_a_session_gets_no_answer_that_the_document_does_not_tell_of() {
    let house = House::writing("", LETTERS);
    let token = house.session("alice", PASSWORD);
    // What might end the session that asks is asked with another.
    let ends = ["/auth/logout", "/auth/sessions/{id}"];
    let but = ["--exclude-path", ends[0], "--exclude-path", ends[1]];
    ask_everything(&house, &token, &but);
    let me = house.ask("GET", "/auth/me", &token, &serde_json::Value::Null);
    assert_eq!(me.status, 200, "the session lasted to the end");
    for path in ends {
        let other = house.session("alice", PASSWORD);
        ask_everything(&house, &other, &["--include-path", path]);
    }
}
