//! The door: what is counted there, and what is recorded.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_auth::{Auth, Authenticate as _, Keeper, Refusal};
use mcp_identity::{
    Actor, AuditAction, AuditOutcome, Clock as _, CredentialFault, Denial, PrincipalId, Subject,
    TokenId,
};
use mcp_store::{MemoryTokens, TokenStore as _};
use mcp_throttle::Quota;

use crate::support::{Household, JumpingClock, Recorded, caller, expiring, record, settings, user};

/// A door with the tokens `good` and `short`, which holds for an hour.
struct Door {
    auth: Auth,
    clock: Arc<JumpingClock>,
    audit: Arc<Recorded>,
    _keeper: Keeper,
}

impl Door {
    async fn refusing_after(attempts: Option<u32>) -> Self {
        let store = Arc::new(MemoryTokens::new());
        store.insert(record("good")).await.unwrap();
        store.insert(expiring("short", Duration::from_hours(1))).await.unwrap();
        let (clock, audit) = (Arc::new(JumpingClock::new()), Arc::new(Recorded::default()));
        let mut builder = Auth::builder(store).clock(clock.clone()).audit(audit.clone());
        if let Some(attempts) = attempts.and_then(NonZeroU32::new) {
            builder = builder.bearer_failures(Quota { attempts, window: Duration::from_mins(1) });
        }
        let (auth, keeper) = builder.open().await.unwrap();
        Self { auth, clock, audit, _keeper: keeper }
    }

    fn admit(&self, from: &str, token: &str) -> Result<PrincipalId, Denial> {
        let admitted = self.auth.admit(token.as_bytes(), &caller(from), self.clock.now());
        admitted.map(|principal| principal.id.clone()).map_err(|refusal| match refusal {
            Refusal::Denied(denial) => denial,
            Refusal::Down { .. } => panic!("nothing is down here"),
        })
    }

    fn refuses(&self, from: &str) -> bool {
        matches!(self.admit(from, "bad"), Err(Denial::TooManyAttempts { .. }))
    }
}

fn used(token: &str) -> (AuditAction, AuditOutcome, Subject) {
    let id = TokenId::parse(token).unwrap();
    (AuditAction::Bearer, AuditOutcome::Done, Subject::Token(id))
}

#[tokio::test(start_paused = true)]
async fn a_hundred_bad_tokens_in_a_minute_are_one_too_many() {
    let door = Door::refusing_after(None).await;
    for n in 0..100 {
        let unknown = Denial::BadCredential(CredentialFault::Unknown);
        assert_eq!(door.admit("192.0.2.1", &format!("bad-{n}")).unwrap_err(), unknown, "{n}");
    }
    let refused = door.admit("192.0.2.1", "bad").unwrap_err();
    let Denial::TooManyAttempts { retry_after } = refused else { panic!("{refused:?}") };
    assert!((Duration::from_secs(1)..=Duration::from_mins(1)).contains(&retry_after));
    assert!(!door.refuses("192.0.2.2"), "another address is another matter");
    door.clock.set_to(Duration::from_secs(63));
    assert!(!door.refuses("192.0.2.1"), "after the window it is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_good_token_is_never_refused_for_its_address() {
    let door = Door::refusing_after(Some(1)).await;
    for _ in 0..10 {
        let _ = door.admit("192.0.2.1", "bad");
    }
    assert!(door.refuses("192.0.2.1"));
    assert_eq!(door.admit("192.0.2.1", "good").unwrap().to_string(), "token:good");
    assert!(door.refuses("192.0.2.1"), "and it forgives nothing");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token_at_all_is_counted_like_a_bad_one() {
    let door = Door::refusing_after(Some(2)).await;
    let malformed = || door.auth.malformed(&caller("192.0.2.1"), door.clock.now());
    assert_eq!(malformed(), Denial::BadCredential(CredentialFault::Malformed));
    door.admit("192.0.2.1", "bad").unwrap_err();
    assert!(matches!(malformed(), Denial::TooManyAttempts { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_counted_too() {
    let door = Door::refusing_after(Some(1)).await;
    door.clock.set_to(Duration::from_hours(1));
    let expired = Denial::BadCredential(CredentialFault::Expired);
    assert_eq!(door.admit("192.0.2.1", "short").unwrap_err(), expired);
    assert!(door.refuses("192.0.2.1"));
}

#[tokio::test(start_paused = true)]
async fn the_network_of_one_client_is_counted_as_one() {
    let door = Door::refusing_after(Some(1)).await;
    door.admit("2001:db8::1", "bad").unwrap_err();
    assert!(door.refuses("2001:db8::ffff"));
    assert!(!door.refuses("2001:db8:0:1::1"));
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_recorded_once_with_its_reason() {
    let door = Door::refusing_after(Some(1)).await;
    door.admit("192.0.2.1", "bad").unwrap_err();
    door.admit("192.0.2.1", "bad").unwrap_err();
    let refused = |reason| (AuditAction::Bearer, AuditOutcome::Refused(reason), Subject::None);
    assert_eq!(door.audit.lines(), [refused("unknown_credential"), refused("too_many_attempts")]);
}

#[tokio::test(start_paused = true)]
async fn the_first_use_of_a_token_is_recorded_once_for_each_address_and_hour() {
    let door = Door::refusing_after(None).await;
    for _ in 0..5 {
        // They take turns, as two servers behind one token do.
        for from in ["192.0.2.1", "192.0.2.2"] {
            door.admit(from, "good").unwrap();
        }
    }
    assert_eq!(door.audit.lines(), [used("good"), used("good")]);
    door.admit("192.0.2.1", "short").unwrap();
    assert_eq!(door.audit.lines(), [used("short")]);
    door.clock.set_to(Duration::from_hours(1));
    for _ in 0..5 {
        door.admit("192.0.2.1", "good").unwrap();
    }
    let events = door.audit.take();
    assert_eq!(events.len(), 1);
    let id = PrincipalId::Token(TokenId::parse("good").unwrap());
    assert_eq!(events[0].actor, Actor::Caller(caller("192.0.2.1"), Some(id)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_changes_its_address_within_its_network_is_recorded_once() {
    let door = Door::refusing_after(None).await;
    for n in 1..100 {
        door.admit(&format!("2001:db8::{n}"), "good").unwrap();
    }
    assert_eq!(door.audit.lines(), [used("good")]);
}

#[tokio::test(start_paused = true)]
async fn the_first_use_of_a_session_names_its_user() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    house.audit.take();
    let admit = || {
        let token = opened.token.expose().as_bytes();
        house.auth.admit(token, &caller("192.0.2.1"), house.clock.now()).unwrap();
    };
    admit();
    admit();
    let subject = Subject::Session(opened.id.clone(), user("alice"));
    assert_eq!(house.audit.lines(), [(AuditAction::Bearer, AuditOutcome::Done, subject)]);
}
