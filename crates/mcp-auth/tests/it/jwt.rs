//! Sessions that are presented as JSON Web Tokens. What forged ones meet at the door of a whole
//! server is tried in `tests/it/jwt.rs` of the workspace.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_auth::{Issue, JwtSettings, LoginSettings, OpenedSession, Refusal};
use mcp_identity::{CredentialFault, Denial, PlainToken, SigningSecret};
use mcp_store::{AccountStore as _, UserEdit};
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{Household, PASSWORD, attempt, caller, settings, user};

const SECRET: &str = "a secret of thirty-two bytes, or more";
const UNKNOWN: Refusal = Refusal::Denied(Denial::BadCredential(CredentialFault::Unknown));
const EXPIRED: Refusal = Refusal::Denied(Denial::BadCredential(CredentialFault::Expired));

/// A house that signs.
async fn signing(settings: LoginSettings) -> Household {
    signing_for(settings, "mcp-server").await
}

async fn signing_for(settings: LoginSettings, audience: &str) -> Household {
    let jwt = JwtSettings {
        secret: SigningSecret::parse(SECRET).unwrap(),
        issuer: "http://localhost:8080".to_owned(),
        audience: audience.to_owned(),
    };
    Household::signing(settings, &jwt).await
}

async fn configured(house: &Household, name: &str) -> OpenedSession {
    let attempt = attempt("192.0.2.1", name, PASSWORD);
    house.auth.log_in_for(&attempt, Issue::Configured).await.unwrap()
}

fn claims(token: &PlainToken) -> Value {
    let payload = token.expose().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Claims under our own signature.
fn sign(claims: &Value) -> PlainToken {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let message = format!("{}.{}", encode(&header), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    PlainToken::presented(format!("{message}.{signature}"))
}

/// The claims of a token with one of them changed, signed again.
fn with(token: &PlainToken, claim: &str, value: Value) -> PlainToken {
    let mut claims = claims(token);
    claims[claim] = value;
    sign(&claims)
}

#[tokio::test(start_paused = true)]
async fn the_form_of_a_credential_is_what_was_asked_for_and_can_be_had() {
    let house = signing(settings()).await;
    let jwt = configured(&house, "alice").await;
    let opaque = house.session("alice").await;
    assert_eq!(jwt.token.expose().split('.').count(), 3);
    assert_eq!(opaque.token.expose().len(), 44);
    assert!(house.lets_in(&jwt) && house.lets_in(&opaque));
    let unable = Household::with(settings()).await;
    assert_eq!(configured(&unable, "alice").await.token.expose().len(), 44);
}

#[tokio::test(start_paused = true)]
async fn a_token_claims_whose_session_it_is_and_until_when() {
    let house = signing(settings()).await;
    let opened = configured(&house, "alice").await;
    let kept = house.store.sessions().await.unwrap().remove(0);
    let seconds = |at: std::time::SystemTime| {
        at.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()
    };
    let begun = seconds(kept.created_at);
    let expected = json!({
        "iss": "http://localhost:8080",
        "sub": "alice",
        "aud": "mcp-server",
        "exp": seconds(opened.expires_at),
        "nbf": begun,
        "iat": begun,
        "jti": kept.hash.to_hex(),
    });
    assert_eq!(claims(&opened.token), expected);
}

#[tokio::test(start_paused = true)]
async fn what_names_a_session_does_not_open_it() {
    let house = signing(settings()).await;
    let opened = configured(&house, "alice").await;
    let jti = claims(&opened.token)["jti"].as_str().unwrap().to_owned();
    assert_eq!(house.bearer(&PlainToken::presented(jti)).unwrap_err(), UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn a_logout_ends_every_token_of_the_session() {
    let house = signing(settings()).await;
    let opened = configured(&house, "alice").await;
    let another = with(&opened.token, "note", json!("signed by somebody else who may"));
    let principal = house.bearer(&another).unwrap();
    assert!(house.auth.log_out(&principal, &caller("192.0.2.1")).await.unwrap());
    assert!(principal.lease.is_ended());
    for token in [&opened.token, &another] {
        assert_eq!(house.bearer(token).unwrap_err(), UNKNOWN);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rights_are_those_of_the_record_whatever_is_claimed() {
    let house = signing(settings()).await;
    let opened = configured(&house, "alice").await;
    let token = with(&opened.token, "roles", json!(["admin"]));
    assert!(house.bearer(&token).unwrap().grants.roles.is_empty());
    house.edit("alice", UserEdit { read_only: Some(true), ..UserEdit::default() }).await;
    assert!(house.bearer(&token).unwrap().grants.read_only);
    house.edit("alice", UserEdit { enabled: Some(false), ..UserEdit::default() }).await;
    assert_eq!(house.bearer(&token).unwrap_err(), UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn a_token_names_its_user_in_any_spelling_and_no_other() {
    let house = signing(settings()).await;
    let opened = configured(&house, "alice").await;
    let spelled = house.bearer(&with(&opened.token, "sub", json!("ALICE"))).unwrap();
    assert_eq!(spelled.user, Some(user("alice")));
    for other in ["bob", "", "alice@example.com"] {
        let token = with(&opened.token, "sub", json!(other));
        assert_eq!(house.bearer(&token).unwrap_err(), UNKNOWN, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_the_token_nor_the_record_outlives_the_other() {
    let house = signing(settings()).await;
    let opened = configured(&house, "alice").await;
    let exp = claims(&opened.token)["exp"].as_u64().unwrap();
    let (shorter, longer) = (json!(exp - 3600), json!(exp + 3600));
    let shorter = with(&opened.token, "exp", shorter);
    let longer = with(&opened.token, "exp", longer);
    house.clock.set_to(Duration::from_hours(23));
    assert_eq!(house.bearer(&shorter).unwrap_err(), EXPIRED);
    assert!(house.lets_in(&opened));
    house.clock.set_to(Duration::from_hours(24));
    for token in [&opened.token, &longer] {
        assert_eq!(house.bearer(token).unwrap_err(), EXPIRED);
    }
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_the_server_that_signed_may_be_half_a_minute_ahead() {
    let house = signing(settings()).await;
    let opened = configured(&house, "alice").await;
    let iat = claims(&opened.token)["iat"].as_u64().unwrap();
    for claim in ["iat", "nbf"] {
        assert!(house.bearer(&with(&opened.token, claim, json!(iat + 30))).is_ok(), "{claim}");
        let early = with(&opened.token, claim, json!(iat + 32));
        assert_eq!(house.bearer(&early).unwrap_err(), UNKNOWN, "{claim}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_would_be_too_long_to_be_read_is_not_made() {
    let house = signing_for(settings(), &"x".repeat(1_200)).await;
    assert!(house.lets_in(&configured(&house, "alice").await));
    let house = signing_for(settings(), &"x".repeat(1_400)).await;
    let opened = configured(&house, "alice").await;
    assert_eq!(opened.token.expose().len(), 44);
    assert!(house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn a_house_that_does_not_sign_knows_no_tokens_that_are_signed() {
    let signing = signing(settings()).await;
    let opened = configured(&signing, "alice").await;
    let house = Household::with(settings()).await;
    assert_eq!(house.bearer(&opened.token).unwrap_err(), UNKNOWN);
}
