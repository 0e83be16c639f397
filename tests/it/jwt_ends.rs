//! JSON Web Tokens as REST hands them out: what ends them, and what else is no session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_identity::TokenHash;
use ring::hmac;
use serde_json::{Value, json};

use crate::accounts_rest::{House, PASSWORD};
use crate::jwt::{HEADER, SECRET, claims_of, forge, now};

const NEW: &str = "NewSecurePassword456!";
const ALICE: &str = "/auth/email/admin/users/alice";

fn house() -> House {
    House::with(&format!("    jwt_secret: \"{SECRET}\"\n"))
}

fn me(house: &House, token: &str) -> u16 {
    house.ask("GET", "/auth/me", token, &Value::Null).status
}

/// A token of alice's, which is a JSON Web Token.
fn signed(house: &House) -> String {
    let token = house.session("alice", PASSWORD);
    assert_eq!((token.split('.').count(), me(house, &token)), (3, 200));
    token
}

#[test]
fn what_is_no_session_is_none_under_a_good_signature_either() {
    let house = house();
    let api = house.installation.token();
    let minted = house.installation.admin(&["users", "reset-link", "alice"]);
    let link = String::from_utf8(minted.stdout).unwrap();
    let secret = link.trim().rsplit('/').next().unwrap();
    // The digest of an API token, and of a link, where that of a session belongs.
    for (what, presented) in [("token", api), ("link", secret)] {
        let claims = claims_of(presented).to_string();
        assert_eq!(me(&house, &forge(HEADER, &claims)), 401, "{what}");
    }
    // A key that whoever holds it knows: the token itself, its digest, and nothing at all.
    let claims = claims_of(&signed(&house)).to_string();
    let digest = TokenHash::of_presented(api.as_bytes()).to_hex();
    for key in [api, digest.as_str(), ""] {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(&claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        let tag = hmac::sign(&key, message.as_bytes());
        let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert_eq!(me(&house, &forged), 401);
    }
    // An API token in the clothes of one, and one in its clothes.
    let session = signed(&house);
    for dressed in [format!("{api}.{api}.{api}"), format!("{session}.{api}"), format!("{api}..")] {
        assert_eq!(me(&house, &dressed), 401, "{dressed}");
    }
}

#[test]
fn a_token_ends_at_the_second_that_it_names_without_a_moment_of_grace() {
    let house = crate::jwt::House::new();
    let opens = |exp: u64| house.opens(&house.with(&[("exp", json!(exp))]));
    assert!(!opens(now()) && !opens(now() - 1) && opens(now() + 60));
    let short = house.with(&[("exp", json!(now() + 2))]);
    assert!(support::eventually(|| !house.opens(&short)), "it ends by the clock alone");
    assert!(house.opens(&house.token()), "its session goes on");
}

#[test]
fn an_account_that_is_made_again_takes_no_token_of_the_one_before() {
    let house = house();
    let (root, before) = (house.session("root", PASSWORD), signed(&house));
    assert_eq!(house.ask("DELETE", ALICE, &root, &Value::Null).status, 200);
    assert_eq!(me(&house, &before), 401);
    let again = json!({ "username": "alice", "email": "alice@example.com", "password": PASSWORD });
    assert_eq!(house.ask("POST", "/auth/email/admin/users", &root, &again).status, 201);
    let now = signed(&house);
    assert_eq!((me(&house, &before), me(&house, &now)), (401, 200));
}

#[test]
fn a_token_ends_with_its_session_whatever_ends_that() {
    let house = house();
    let root = house.session("root", PASSWORD);
    let (own, other) = (signed(&house), signed(&house));
    let change = json!({ "old_password": PASSWORD, "new_password": NEW });
    let changed = house.ask("POST", "/auth/email/change-password", &own, &change);
    assert_eq!((changed.status, me(&house, &own), me(&house, &other)), (200, 200, 401));
    let back = json!({ "password": PASSWORD });
    assert_eq!(house.ask("PUT", ALICE, &root, &back).status, 200);
    assert_eq!(me(&house, &own), 401, "an admin set the password");

    let (own, other) = (signed(&house), signed(&house));
    assert_eq!(house.ask("DELETE", "/auth/sessions", &own, &Value::Null).status, 200);
    assert_eq!((me(&house, &own), me(&house, &other)), (200, 401));
    let sessions = format!("{ALICE}/sessions");
    assert_eq!(house.ask("DELETE", &sessions, &root, &Value::Null).status, 200);
    assert_eq!(me(&house, &own), 401, "an admin ended them");

    let own = signed(&house);
    let (off, on) = (json!({ "is_active": false }), json!({ "is_active": true }));
    assert_eq!(house.ask("PATCH", ALICE, &root, &off).status, 200);
    assert_eq!(me(&house, &own), 401);
    assert_eq!(house.ask("PATCH", ALICE, &root, &on).status, 200);
    assert_eq!(me(&house, &own), 401, "who is enabled again logs in again");
}
