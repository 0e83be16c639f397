//! Is this token good?

use std::time::Duration;

use mcp_auth::{Auth, Authenticate as _, OpenDoor, Refusal};
use mcp_identity::{Clock as _, CredentialFault, DatabaseGrant, Denial, PrincipalId};
use mcp_identity::{DatabaseName, RoleName};
use mcp_store::TokenRecord;

use crate::support::{House, caller, expiring, record};

#[tokio::test(start_paused = true)]
async fn a_kept_token_is_let_in_with_the_rights_of_its_record() {
    let staging = DatabaseName::parse("staging").unwrap();
    let kept = TokenRecord {
        database: Some(staging.clone()),
        roles: [RoleName::parse("viewer").unwrap()].into(),
        read_only: true,
        ..record("good")
    };
    let house = House::with(std::slice::from_ref(&kept)).await;
    let principal = house.auth.bearer(b"good", house.clock.now()).unwrap();
    assert_eq!(principal.id, PrincipalId::Token(kept.id.clone()));
    assert_eq!(principal.grants, kept.grants());
    assert_eq!(principal.grants.databases, DatabaseGrant::One(staging));
    assert!(!principal.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_kept_is_unknown() {
    let house = House::with(&[record("good")]).await;
    let unknown = Refusal::from(Denial::BadCredential(CredentialFault::Unknown));
    for token in ["", "goo", "good ", "Good", "another"] {
        let refused = house.auth.bearer(token.as_bytes(), house.clock.now()).unwrap_err();
        assert_eq!(refused, unknown, "{token:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_past_the_limit_is_unknown_even_if_it_is_kept() {
    let house = House::with(&[]).await;
    let longest = "x".repeat(Auth::MAX_TOKEN_BYTES);
    for (n, token) in [longest.clone(), longest + "x"].iter().enumerate() {
        let kept = TokenRecord {
            hash: mcp_identity::TokenHash::of_presented(token.as_bytes()),
            ..record(&format!("token-{n}"))
        };
        mcp_store::TokenStore::insert(&*house.store, kept).await.unwrap();
        house.auth.refresh().await.unwrap();
        assert_eq!(house.lets_in(token), n == 0, "{} bytes", token.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_expired_at_the_instant_it_names_though_nobody_swept() {
    let house = House::with(&[expiring("short", Duration::from_mins(1))]).await;
    let now = house.clock.now();
    let almost = now + Duration::from_mins(1) - Duration::from_nanos(1);
    assert!(house.auth.bearer(b"short", almost).is_ok());
    let refused = house.auth.bearer(b"short", now + Duration::from_mins(1)).unwrap_err();
    assert_eq!(refused, Denial::BadCredential(CredentialFault::Expired).into());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_expired_when_it_was_loaded_is_told_from_an_unknown_one() {
    let house = House::with(&[expiring("old", Duration::ZERO)]).await;
    let refused = house.auth.bearer(b"old", house.clock.now()).unwrap_err();
    assert_eq!(refused, Denial::BadCredential(CredentialFault::Expired).into());
}

#[test]
fn an_open_door_lets_in_everybody_and_a_judge_no_stranger() {
    let door = OpenDoor::let_everybody_in();
    let caller = caller("192.0.2.1");
    let anybody = door.authenticate(b"whatever", &caller, std::time::UNIX_EPOCH).unwrap();
    assert_eq!(anybody.id, PrincipalId::Local);
    assert_eq!(door.stranger().unwrap().id, PrincipalId::Local);
    drop(door);
    assert!(anybody.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn who_presents_nothing_is_nobody() {
    let house = House::with(&[record("good")]).await;
    assert!(house.auth.stranger().is_none());
}
