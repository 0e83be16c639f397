//! Accounts of others, for admins: what they may do, and what nobody may.

use serde_json::{Value, json};
use support::{Request, Response};

use crate::accounts_rest::{House, PASSWORD};

const USERS: &str = "/auth/email/admin/users";

fn user(who: &str) -> String {
    format!("{USERS}/{who}")
}

fn create(house: &House, token: &str, more: &Value) -> Response {
    let mut body = json!({ "email": "user@example.com", "password": PASSWORD });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.ask("POST", USERS, token, &body)
}

#[test]
fn an_admin_makes_finds_changes_and_deletes_an_account() {
    let house = House::new();
    let root = house.session("root", PASSWORD);
    let made = create(&house, &root, &json!({ "full_name": "Ann Lee", "is_admin": false }));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["username"], "user");
    for who in ["user@example.com", "user%40example.com", "USER%40Example.com", "user"] {
        let found = house.ask("GET", &user(who), &root, &Value::Null);
        assert_eq!(found.json()["full_name"], "Ann Lee", "{who}: {}", found.text());
    }
    let again = create(&house, &root, &json!({ "username": "other" }));
    assert_eq!(again.status, 409);
    let session = house.session("user@example.com", PASSWORD);
    let body = json!({ "password": "NewUserPassword123!", "password_change_required": false });
    let put = house.ask("PUT", &user("user%40example.com"), &root, &body);
    assert_eq!(put.status, 200, "{}", put.text());
    let me = house.ask("GET", "/auth/me", &session, &Value::Null);
    assert_eq!(me.status, 401, "a new password ends every session");
    let session = house.session("user", "NewUserPassword123!");
    let off = house.ask("PATCH", &user("user"), &root, &json!({ "is_active": false }));
    assert_eq!(off.json()["is_active"], false);
    assert_eq!(house.ask("GET", "/auth/me", &session, &Value::Null).status, 401);
    assert_eq!(house.log_in("user", "NewUserPassword123!").status, 401);
    let on = json!({ "is_active": true, "is_admin": true, "full_name": "" });
    let on = house.ask("PATCH", &user("user"), &root, &on).json();
    assert_eq!((&on["is_admin"], &on["full_name"]), (&json!(true), &Value::Null));
    let admin = house.session("user", "NewUserPassword123!");
    assert_eq!(house.ask("GET", USERS, &admin, &Value::Null).status, 200);
    assert_eq!(house.ask("DELETE", &user("user"), &root, &Value::Null).status, 200);
    assert_eq!(house.ask("GET", USERS, &admin, &Value::Null).status, 401);
    for method in ["GET", "DELETE"] {
        let gone = house.ask(method, &user("user"), &root, &Value::Null);
        assert_eq!(gone.text(), r#"{"detail":"User not found"}"#);
    }
}

#[test]
fn nobody_takes_his_own_rights_or_the_last_admin_away() {
    let house = House::new();
    let root = house.session("root", PASSWORD);
    let token = house.installation.add_token(&["--role", "admin"]);
    let knows = || house.ask("GET", USERS, &token, &Value::Null).status == 200;
    assert!(support::eventually(knows));
    let tries = |who: &str| {
        [
            house.ask("DELETE", &user("root%40example.com"), who, &Value::Null),
            house.ask("PATCH", &user("ROOT"), who, &json!({ "is_admin": false })),
            house.ask("PUT", &user("root"), who, &json!({ "is_active": false })),
        ]
    };
    // With a token that is nobody's, he is the last one.
    for refused in tries(&root).iter().chain(&tries(&token)) {
        assert_eq!(refused.status, 400, "{}", refused.text());
    }
    assert_eq!(house.ask("GET", USERS, &root, &Value::Null).status, 200);
    let second = create(&house, &root, &json!({ "is_admin": true })).json();
    assert_eq!(second["is_admin"], true);
    let own = house.ask("DELETE", &user("root"), &root, &Value::Null);
    assert_eq!(own.json()["detail"], "You cannot delete your own account");
    let demoted = house.ask("PATCH", &user("root"), &token, &json!({ "is_admin": false }));
    assert_eq!(demoted.status, 200, "there is another one: {}", demoted.text());
    assert_eq!(house.ask("GET", USERS, &root, &Value::Null).status, 403, "at once");
}

#[test]
fn two_admins_who_take_each_other_away_at_once_leave_one() {
    let house = House::new();
    let token = house.installation.add_token(&["--role", "admin"]);
    let root = house.session("root", PASSWORD);
    assert_eq!(create(&house, &root, &json!({ "is_admin": true })).status, 201);
    let knows = || house.ask("GET", USERS, &token, &Value::Null).status == 200;
    assert!(support::eventually(knows));
    for _ in 0..5 {
        let sessions = [house.session("root", PASSWORD), house.session("user", PASSWORD)];
        let to = house.server.address();
        let demote = |who: &str, token: &str| {
            let request = Request::new("PATCH", &user(who)).bearer(token);
            let request = request.header("Content-Type", "application/json");
            request.body(r#"{"is_admin":false}"#).send(to).status
        };
        let statuses = std::thread::scope(|scope| {
            let one = scope.spawn(|| demote("user", &sessions[0]));
            let two = scope.spawn(|| demote("root", &sessions[1]));
            [one.join().unwrap(), two.join().unwrap()]
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        let up = json!({ "is_admin": true });
        for who in ["root", "user"] {
            assert_eq!(house.ask("PATCH", &user(who), &token, &up).status, 200);
        }
    }
}

#[test]
fn who_is_no_admin_gets_one_answer_whatever_he_names() {
    let house = House::new();
    let alice = house.session("alice", PASSWORD);
    let body = json!({ "is_admin": true });
    let first = house.ask("GET", USERS, &alice, &Value::Null);
    assert_eq!((first.status, first.text()), (403, r#"{"detail":"Not authorized"}"#));
    for who in ["alice", "root", "nobody", "x%40y.z"] {
        let others = [
            house.ask("GET", &user(who), &alice, &Value::Null),
            house.ask("PUT", &user(who), &alice, &body),
            house.ask("PATCH", &user(who), &alice, &json!("not even an object")),
            house.ask("DELETE", &user(who), &alice, &Value::Null),
            house.ask("POST", &format!("{}/unlock", user(who)), &alice, &Value::Null),
            house.ask("GET", &format!("{}/sessions", user(who)), &alice, &Value::Null),
            house.ask("DELETE", &format!("{}/sessions", user(who)), &alice, &Value::Null),
        ];
        for other in others {
            assert_eq!((other.status, other.text()), (403, first.text()), "{who}");
        }
    }
}

#[test]
fn a_locked_account_is_shown_and_unlocked() {
    let house = House::with("    max_failed_attempts_before_lockout: 2\n");
    let root = house.session("root", PASSWORD);
    for _ in 0..2 {
        assert_eq!(house.log_in("alice", "Wrong1Password").status, 401);
    }
    let shown = house.ask("GET", &user("alice"), &root, &Value::Null).json();
    assert_eq!((&shown["is_locked"], &shown["locked_until"]), (&json!(true), &Value::Null));
    assert_eq!(house.log_in("alice", PASSWORD).status, 401);
    let unlocked = house.ask("POST", &format!("{}/unlock", user("alice")), &root, &Value::Null);
    assert_eq!((unlocked.status, &unlocked.json()["is_locked"]), (200, &json!(false)));
    assert_eq!(house.log_in("alice", PASSWORD).status, 200);
    let nobody = house.ask("POST", &format!("{}/unlock", user("nobody")), &root, &Value::Null);
    assert_eq!(nobody.status, 404);
}

#[test]
fn an_admin_sees_and_ends_the_sessions_of_a_user() {
    let house = House::new();
    let (root, alice) = (house.session("root", PASSWORD), house.session("alice", PASSWORD));
    let path = format!("{}/sessions", user("alice"));
    let listed = house.ask("GET", &path, &root, &Value::Null).json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(house.ask("DELETE", &path, &root, &Value::Null).json()["ended"], 1);
    assert_eq!(house.ask("GET", "/auth/me", &alice, &Value::Null).status, 401);
    assert_eq!(house.ask("GET", "/auth/me", &root, &Value::Null).status, 200);
}

#[test]
fn a_list_goes_on_where_it_stopped_and_its_cursor_is_good_for_its_owner_alone() {
    let house = House::new();
    let root = house.session("root", PASSWORD);
    for n in 0..3 {
        let who = json!({ "email": format!("u{n}@example.com"), "username": format!("u{n}") });
        assert_eq!(create(&house, &root, &who).status, 201);
    }
    let list = |token: &str, query: &str| {
        house.ask("GET", &format!("{USERS}?{query}"), token, &Value::Null)
    };
    let mut names = Vec::new();
    let mut page = list(&root, "limit=2").json();
    let first = page["next_cursor"].as_str().unwrap().to_owned();
    loop {
        let users = page["users"].as_array().unwrap();
        names.extend(users.iter().map(|user| user["username"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        page = list(&root, &format!("cursor={next}&limit=2")).json();
    }
    assert_eq!(names, ["alice", "root", "u0", "u1", "u2"]);
    let another = house.session("root", PASSWORD);
    assert_eq!(list(&another, &format!("cursor={first}")).json()["field"], "cursor");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=AAAA", "cursor"),
        ("limit=1&limit=2", "query"),
        ("limit=%zz", "query"),
    ] {
        let refused = list(&root, query);
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(field)), "{query}");
    }
}
