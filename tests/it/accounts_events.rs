//! What happened, over HTTP: to one's own account for everybody, to all of them for admins.

use serde_json::{Value, json};
use support::eventually;

use crate::accounts_rest::{House, PASSWORD, REGISTRATION};

const OWN: &str = "/auth/email/events";
const ALL: &str = "/auth/email/admin/events";

fn events(house: &House, path: &str, token: &str) -> Vec<Value> {
    let answer = house.ask("GET", path, token, &Value::Null);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()["events"].as_array().unwrap().clone()
}

/// Without the first use of a session, which is told once it was used.
fn told(events: &[Value]) -> Vec<String> {
    let word = |event: &Value, key: &str| event[key].as_str().unwrap_or("-").to_owned();
    let told = |event| format!("{} {}", word(event, "action"), word(event, "outcome"));
    events.iter().filter(|event| event["action"] != "bearer").map(told).collect()
}

#[test]
fn everybody_sees_what_happened_to_his_own_account_newest_first_and_nothing_else() {
    let house = House::new();
    let root = house.session("root", PASSWORD);
    assert_eq!(house.log_in("alice", "Wrong1Password").status, 401);
    let alice = house.session("alice", PASSWORD);
    let named = json!({ "full_name": "Ann Lee" });
    let user = "/auth/email/admin/users/alice";
    assert_eq!(house.ask("PATCH", user, &root, &named).status, 200);
    let expected = ["edit_user done", "login done", "login refused"];
    assert!(eventually(
        || told(&events(&house, OWN, &alice)).starts_with(&expected.map(str::to_owned))
    ));
    let own = events(&house, OWN, &alice);
    assert!(own.iter().all(|event| event["user"] == "alice"), "{own:?}");
    let of =
        |action: &str| own.iter().filter(|event| event["action"] == action).collect::<Vec<_>>();
    // Where the admin is, is his own business; where a guess came from, is hers.
    let edit = of("edit_user")[0];
    assert_eq!((&edit["ip_address"], &edit["principal"]), (&Value::Null, &Value::Null));
    assert!(of("login").iter().all(|login| login["ip_address"] == "127.0.0.1"), "{own:?}");
    let page = house.ask("GET", &format!("{OWN}?limit=1&offset=1"), &alice, &Value::Null).json();
    assert_eq!(page["events"].as_array().unwrap()[..], own[1..2]);
    assert_eq!((&page["limit"], &page["offset"]), (&json!(1), &json!(1)));
    let alias = house.ask("GET", &format!("/v1{OWN}?limit=1"), &alice, &Value::Null).json();
    assert_eq!(alias["events"].as_array().unwrap()[..], own[..1]);
}

#[test]
fn an_admin_sees_what_happened_to_all_and_nobody_else_does() {
    let house = House::new();
    let (root, alice) = (house.session("root", PASSWORD), house.session("alice", PASSWORD));
    assert_eq!(house.log_in("no-such-user", PASSWORD).status, 401);
    let knows = |all: &[Value]| {
        let of = |who: &str| all.iter().any(|event| event["user"] == who);
        of("root") && of("alice") && all.iter().any(|event| event["reason"] == "unknown_user")
    };
    assert!(eventually(|| knows(&events(&house, ALL, &root))));
    let all = house.ask("GET", ALL, &root, &Value::Null);
    assert!(!all.text().contains("no-such-user"), "people type their passwords there");
    for answer in [
        house.ask("GET", ALL, &alice, &Value::Null),
        house.ask("GET", &format!("{ALL}?limit=x"), &alice, &Value::Null),
        house.ask("GET", ALL, house.installation.token(), &Value::Null),
        house.ask("GET", OWN, house.installation.token(), &Value::Null),
    ] {
        assert_eq!((answer.status, answer.text()), (403, r#"{"detail":"Not authorized"}"#));
    }
    assert_eq!(house.ask("GET", OWN, "nobody", &Value::Null).status, 401);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("offset=10001", "offset"),
        ("offset=x", "offset"),
        ("limit=1&limit=1", "query"),
    ] {
        for (path, token) in [(OWN, &alice), (ALL, &root)] {
            let refused = house.ask("GET", &format!("{path}?{query}"), token, &Value::Null);
            assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(field)), "{query}");
        }
    }
}

#[test]
fn an_account_that_is_made_anew_does_not_see_what_happened_to_the_one_before() {
    let house = House::new();
    let root = house.session("root", PASSWORD);
    let alice = house.session("alice", PASSWORD);
    assert!(eventually(|| !events(&house, OWN, &alice).is_empty()));
    let deleted = house.ask("DELETE", "/auth/email/admin/users/alice", &root, &Value::Null);
    assert_eq!(deleted.status, 200);
    let gone = |all: Vec<Value>| told(&all).contains(&"delete_user done".to_owned());
    assert!(eventually(|| gone(events(&house, ALL, &root))));
    let made = json!({ "username": "alice", "email": "alice@example.com", "password": PASSWORD });
    let made = house.ask("POST", "/auth/email/admin/users", &root, &made);
    assert_eq!(made.status, 201, "{}", made.text());
    let other = house.session("alice", PASSWORD);
    let newest = || told(&events(&house, OWN, &other));
    assert!(eventually(|| newest().first().is_some_and(|event| event == "login done")));
    assert!(!newest().contains(&"delete_user done".to_owned()), "{:?}", newest());
    assert_eq!(newest().iter().filter(|event| *event == "login done").count(), 1);
}

/// The refusals of one action that are on record, in order, with how often each happened.
fn refusals(house: &House, action: &str) -> Vec<(String, Value, u64)> {
    let audit = house.installation.admin(&["audit", "--json"]);
    let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
    let events = audit["events"].as_array().unwrap().iter();
    let refused = events.filter(|event| event["action"] == action && event["outcome"] == "refused");
    let told = |event: &Value| {
        let reason = event["reason"].as_str().unwrap_or_default().to_owned();
        (reason, event["user"].clone(), event["count"].as_u64().unwrap_or(1))
    };
    refused.map(told).collect()
}

#[test]
fn who_asks_for_what_he_may_not_have_is_on_record_once_for_each_request() {
    let house = House::new();
    let alice = house.session("alice", PASSWORD);
    let refused = [
        house.ask("GET", "/auth/email/admin/users", &alice, &Value::Null),
        house.ask("PATCH", "/auth/email/admin/users/root", &alice, &json!({ "is_admin": false })),
        house.ask("POST", "/auth/email/admin/users/root/reset-link", &alice, &Value::Null),
        house.ask("GET", "/auth/me", house.installation.token(), &Value::Null),
    ];
    assert!(refused.iter().all(|answer| answer.status == 403), "{refused:?}");
    let told = || refusals(&house, "use_endpoint");
    assert!(eventually(|| told().len() == 4), "{:?}", told());
    let one = |user: Value| ("not_allowed".to_owned(), user, 1);
    let [alices @ .., token] = &told()[..] else { panic!("{:?}", told()) };
    assert!(alices.iter().all(|told| *told == one(json!("alice"))), "{alices:?}");
    assert_eq!(*token, one(Value::Null));
    assert_eq!(told().len(), 4, "and no other");
}

#[test]
fn what_no_admin_may_do_is_on_record_when_one_tries() {
    let house = House::new();
    let root = house.session("root", PASSWORD);
    let user = "/auth/email/admin/users/root";
    assert_eq!(house.ask("DELETE", user, &root, &Value::Null).status, 400);
    assert_eq!(house.ask("PUT", user, &root, &json!({ "is_active": false })).status, 400);
    let told = || (refusals(&house, "delete_user"), refusals(&house, "edit_user"));
    let one = |reason: &str| vec![(reason.to_owned(), json!("root"), 1)];
    assert!(eventually(|| told() == (one("own_account"), one("own_rights"))), "{:?}", told());
}

#[test]
fn a_registration_that_is_refused_is_on_record_without_a_name() {
    let body =
        json!({ "username": "alice", "email": "new@example.com", "password": "SecurePass123" });
    let reasons = |house: &House| {
        let told = refusals(house, "add_user").into_iter();
        told.map(|(reason, user, _)| (reason, user)).collect::<Vec<_>>()
    };
    let told = |reason: &str| (reason.to_owned(), Value::Null);
    let closed = House::new();
    assert_eq!(closed.post("/auth/register", &body).status, 403);
    assert!(eventually(|| reasons(&closed) == [told("off")]), "{:?}", reasons(&closed));
    let open = House::with(REGISTRATION);
    let statuses: Vec<_> = (0..7).map(|_| open.post("/auth/register", &body).status).collect();
    assert_eq!(statuses, [409, 409, 409, 409, 409, 429, 429]);
    let mut expected = vec![told("taken"); 5];
    expected.extend(vec![told("too_many_registrations"); 2]);
    assert!(eventually(|| reasons(&open) == expected), "{:?}", reasons(&open));
}
