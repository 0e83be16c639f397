//! What another server made, and no word of it has come: it is asked for once, before it is refused.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_auth::{
    Accounts, Answer, Auth, AuthBuilder, Authenticate, OpenedSession, PasswordChangeDoor, Refusal,
};
use mcp_identity::{
    AuditAction, AuditOutcome, Clock as _, CredentialFault, Denial, PlainToken, Principal,
    SystemEntropy, TokenHash, TokenId,
};
use mcp_store::{
    AccountStore as _, MemoryTokens, SessionSelector, TokenRecord, TokenStore as _, UserEdit,
    UserRecord,
};
use mcp_throttle::Quota;
use tokio::task::JoinHandle;
use tokio::time::advance;

use crate::support::{
    Household, JumpingClock, Mood, Recorded, Register, Step, Tokens, caller, outage, settings,
    settled, until, user,
};

const UNKNOWN: Refusal = Refusal::Denied(Denial::BadCredential(CredentialFault::Unknown));

type Known = Result<Arc<Principal>, Refusal>;

/// A server where people log in, and another one on the same accounts. Neither hears of the other.
struct Two {
    there: Household,
    here: Auth,
    audit: Arc<Recorded>,
    keeping: JoinHandle<()>,
}

impl Two {
    async fn start() -> Self {
        Self::start_with(|builder| builder).await
    }

    async fn refusing_after(attempts: u32) -> Self {
        let attempts = NonZeroU32::new(attempts).unwrap();
        let quota = Quota { attempts, window: Duration::from_mins(1) };
        Self::start_with(|builder| builder.bearer_failures(quota)).await
    }

    async fn start_with(adorned: impl Fn(AuthBuilder) -> AuthBuilder) -> Self {
        let there = Household::over(Register::silent(), settings(), 4, &adorned).await;
        let (store, hasher) = (there.store.clone(), there.hasher.clone());
        let accounts = Accounts { store: store.clone(), hasher, settings: settings() };
        let audit = Arc::new(Recorded::default());
        let builder = Auth::builder(Arc::new(MemoryTokens::new()))
            .clock(there.clock.clone())
            .audit(audit.clone())
            .accounts(accounts)
            .shared(store);
        let (here, keeper) = adorned(builder).open().await.unwrap();
        let keeping = tokio::spawn(keeper.run(std::future::pending()));
        Self { there, here, audit, keeping }
    }

    fn store(&self) -> &Register {
        &self.there.store
    }

    fn ask(&self, token: &PlainToken) -> Answer {
        self.ask_from("192.0.2.1", token)
    }

    fn ask_from(&self, from: &str, token: &PlainToken) -> Answer {
        self.here.ask(token.expose().as_bytes(), &caller(from), self.there.clock.now())
    }

    /// Somebody who waits at the door, as far as that goes by itself.
    async fn waiting(&self, from: &str, token: &PlainToken) -> JoinHandle<Known> {
        let asked = later(self.ask_from(from, token));
        let waiting = tokio::spawn(asked);
        settled().await;
        waiting
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

fn later(answer: Answer) -> mcp_auth::Asked {
    match answer {
        Answer::Later(asked) => asked,
        Answer::Now(known) => panic!("known at once: {known:?}"),
    }
}

fn now(answer: Answer) -> Known {
    match answer {
        Answer::Now(known) => known,
        Answer::Later(_) => panic!("it is asked for"),
    }
}

fn invented() -> PlainToken {
    PlainToken::generate(&SystemEntropy).unwrap()
}

fn is_down(known: &Known) -> bool {
    matches!(known, Err(Refusal::Down { retry_after }) if !retry_after.is_zero())
}

fn is_too_many(known: &Known) -> bool {
    matches!(known, Err(Refusal::Denied(Denial::TooManyAttempts { .. })))
}

#[tokio::test(start_paused = true)]
async fn a_session_that_another_server_opened_opens_the_door_at_its_first_request() {
    let two = Two::start().await;
    let opened = two.there.session("alice").await;
    let principal = later(two.ask(&opened.token)).await.unwrap();
    assert_eq!(principal.user, Some(opened.user));
    assert!(now(two.ask(&opened.token)).is_ok(), "known from then on");
    assert_eq!(two.store().questions(), [1]);
    let used: Vec<_> = two.audit.lines().into_iter().map(|line| (line.0, line.1)).collect();
    assert_eq!(used, [(AuditAction::Bearer, AuditOutcome::Done)]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_another_server_made_opens_the_door_at_its_first_request() {
    let tokens = Tokens::default();
    tokens.turn(Mood::Silent);
    let (store, clock) = (Arc::new(tokens), Arc::new(JumpingClock::new()));
    let builder = Auth::builder(store.clone()).clock(clock.clone()).shared(store.clone());
    let (auth, keeper) = builder.open().await.unwrap();
    let keeping = tokio::spawn(keeper.run(std::future::pending()));
    let token = invented();
    let id = TokenId::parse("made-elsewhere").unwrap();
    store.insert(TokenRecord::new(id, TokenHash::of(&token), clock.now())).await.unwrap();
    let ask = || auth.ask(token.expose().as_bytes(), &caller("192.0.2.1"), clock.now());
    assert_eq!(later(ask()).await.unwrap().id.to_string(), "token:made-elsewhere");
    assert!(now(ask()).is_ok());
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn what_nobody_made_costs_one_question_and_is_refused_and_counted_once() {
    let two = Two::refusing_after(2).await;
    for _ in 0..2 {
        assert_eq!(later(two.ask(&invented())).await.unwrap_err(), UNKNOWN);
    }
    assert_eq!(two.store().questions(), [1, 1]);
    let outcomes: Vec<_> = two.audit.lines().into_iter().map(|line| line.1).collect();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(|it| matches!(it, AuditOutcome::Refused(_))), "{outcomes:?}");
    assert!(is_too_many(&now(two.ask(&invented()))), "each was counted, and once");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_brought_too_many_bad_ones_has_nothing_asked_for_it() {
    let two = Two::refusing_after(3).await;
    for _ in 0..3 {
        later(two.ask(&invented())).await.unwrap_err();
    }
    two.store().questions();
    let opened = two.there.session("alice").await;
    assert!(is_too_many(&now(two.ask(&opened.token))));
    assert!(two.store().questions().is_empty());
    assert!(later(two.ask_from("192.0.2.2", &opened.token)).await.is_ok());
    assert!(now(two.ask(&opened.token)).is_ok(), "what is known is refused for no address");
}

#[tokio::test(start_paused = true)]
async fn what_waits_counts_as_if_it_failed_until_it_did_not() {
    let two = Two::refusing_after(3).await;
    let opened = two.there.session("alice").await;
    two.store().hold(Some(Step::Asked));
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(two.waiting("192.0.2.1", &opened.token).await);
    }
    let crowded = now(two.ask(&invented()));
    assert!(is_down(&crowded), "no room is no denial: {crowded:?}");
    two.store().hold(None);
    for known in waiting {
        known.await.unwrap().unwrap();
    }
    assert_eq!(later(two.ask(&invented())).await.unwrap_err(), UNKNOWN, "there is room again");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_have_been_made_is_refused_without_a_question() {
    let two = Two::start().await;
    let text = invented().expose().to_owned();
    let odd = ["bad", &text[..43], "a.b.c", &text.repeat(12)];
    for presented in odd {
        let presented = PlainToken::presented(presented.to_owned());
        assert_eq!(now(two.ask(&presented)).unwrap_err(), UNKNOWN);
    }
    assert!(two.store().questions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn where_no_other_server_is_nothing_is_asked() {
    let house = Household::with(settings()).await;
    let token = invented();
    let answer = house.auth.ask(token.expose().as_bytes(), &caller("::1"), house.clock.now());
    assert_eq!(now(answer).unwrap_err(), UNKNOWN);
    assert!(house.store.questions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn those_who_come_while_one_question_is_open_share_the_next_ones() {
    let two = Two::start().await;
    let mut opened = Vec::new();
    for _ in 0..40 {
        opened.push(two.there.session("alice").await);
    }
    let read_whole = two.store().read_whole();
    two.store().hold(Some(Step::Asked));
    let mut waiting = Vec::new();
    for OpenedSession { token, .. } in &opened {
        waiting.push(two.waiting("192.0.2.1", token).await);
        // The same again, at the same time.
        waiting.push(two.waiting("192.0.2.2", token).await);
    }
    two.store().hold(None);
    for known in waiting {
        known.await.unwrap().unwrap();
    }
    assert_eq!(two.store().questions(), [1, 32, 8]);
    assert_eq!(two.store().read_whole(), read_whole, "each is read by itself");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_beyond_all_bounds_is_told_to_come_again() {
    let two = Two::start().await;
    two.store().hold(Some(Step::Asked));
    let mut waiting = Vec::new();
    for n in 0..256 {
        let from = format!("192.0.2.{n}");
        waiting.push(two.waiting(&from, &invented()).await);
    }
    let crowded = later(two.ask_from("198.51.100.1", &invented())).await;
    assert!(is_down(&crowded), "{crowded:?}");
    two.store().hold(None);
    for known in waiting {
        assert_eq!(known.await.unwrap().unwrap_err(), UNKNOWN);
    }
    let questions = two.store().questions();
    assert_eq!(questions.iter().sum::<usize>(), 256);
    assert!(questions.len() <= 10, "{questions:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_invented_tokens_keeps_no_end_of_a_session_waiting() {
    let two = Two::start().await;
    let opened = two.there.session("alice").await;
    let principal = later(two.ask(&opened.token)).await.unwrap();
    // None of the questions is answered, and everybody waits who may.
    two.store().hold(Some(Step::Asked));
    let mut flood = Vec::new();
    for n in 0..300 {
        let from = format!("192.0.{}.1", n % 256);
        flood.push(tokio::spawn(later(two.ask_from(&from, &invented()))));
    }
    settled().await;
    two.store().end_sessions(SessionSelector::Id(opened.id)).await.unwrap();
    let here = two.here.clone();
    let refreshing = tokio::spawn(async move { here.refresh().await });
    settled().await;
    assert!(refreshing.is_finished() && principal.lease.is_ended());
    assert!(flood.iter().any(|waiting| !waiting.is_finished()), "they still wait");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ended_elsewhere_is_refused_by_a_server_that_never_saw_it() {
    let two = Two::start().await;
    let opened = two.there.session("alice").await;
    let principal = two.there.bearer(&opened.token).unwrap();
    assert!(two.there.auth.log_out(&principal, &caller("192.0.2.1")).await.unwrap());
    assert_eq!(later(two.ask(&opened.token)).await.unwrap_err(), UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_while_it_is_asked_for_does_not_come_back() {
    let two = Two::start().await;
    let opened = two.there.session("alice").await;
    two.store().hold(Some(Step::Asked));
    let waiting = two.waiting("192.0.2.1", &opened.token).await;
    two.store().end_sessions(SessionSelector::Id(opened.id)).await.unwrap();
    two.store().hold(None);
    assert_eq!(waiting.await.unwrap().unwrap_err(), UNKNOWN);
    assert_eq!(later(two.ask(&opened.token)).await.unwrap_err(), UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn who_was_disabled_elsewhere_is_not_let_in_by_a_question() {
    let two = Two::start().await;
    let opened = two.there.session("alice").await;
    let disabled = UserEdit { enabled: Some(false), ..UserEdit::default() };
    two.store().edit_account(&user("alice"), disabled).await.unwrap();
    assert_eq!(later(two.ask(&opened.token)).await.unwrap_err(), UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_asked_is_no_denial_and_counts_as_nothing() {
    let two = Two::refusing_after(1).await;
    two.store().turn(Some(outage("no route")));
    for _ in 0..3 {
        assert!(is_down(&later(two.ask(&invented())).await));
    }
    assert_eq!(two.audit.count(), 0);
    two.store().turn(None);
    assert_eq!(later(two.ask(&invented())).await.unwrap_err(), UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_that_is_known_nothing_is_asked() {
    let limit = Duration::from_mins(5);
    let two = Two::start_with(|builder| builder.stands_in(limit)).await;
    two.store().turn(Some(outage("no route")));
    two.here.refresh().await.unwrap_err();
    assert!(is_down(&now(two.ask(&invented()))));
    assert!(two.store().questions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_waited_for_no_longer_than_five_seconds() {
    let two = Two::start().await;
    two.store().hold(Some(Step::Asked));
    let waiting = two.waiting("192.0.2.1", &invented()).await;
    advance(Duration::from_secs(6)).await;
    assert!(is_down(&waiting.await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_others_wait_leaves_them_their_answer_and_is_counted() {
    let two = Two::refusing_after(1).await;
    let opened = two.there.session("alice").await;
    two.store().hold(Some(Step::Asked));
    let leaves = two.waiting("192.0.2.1", &invented()).await;
    let stays = two.waiting("192.0.2.2", &opened.token).await;
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    two.store().hold(None);
    assert!(stays.await.unwrap().is_ok());
    assert!(is_too_many(&now(two.ask(&invented()))), "what is cut off is counted");
}

#[tokio::test(start_paused = true)]
async fn a_session_for_the_change_of_a_password_opens_its_own_door_and_no_other() {
    let two = Two::start().await;
    let must_change = UserRecord { must_change_password: true, ..two.there.record("carol").await };
    two.there.add_record(must_change).await;
    let opened = two.there.session("carol").await;
    let door = PasswordChangeDoor::new(two.here.clone());
    let ask = || {
        let (from, at) = (caller("192.0.2.1"), two.there.clock.now());
        door.ask(opened.token.expose().as_bytes(), &from, at)
    };
    assert_eq!(later(two.ask(&opened.token)).await.unwrap_err(), UNKNOWN);
    assert_eq!(now(two.ask(&opened.token)).unwrap_err(), UNKNOWN, "known here, and of no use");
    assert!(now(ask()).is_ok());
    let another = two.there.session("carol").await;
    let asked =
        door.ask(another.token.expose().as_bytes(), &caller("192.0.2.1"), two.there.clock.now());
    assert!(later(asked).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn when_the_keeper_stops_no_question_lets_anybody_in() {
    let two = Two::start().await;
    let opened = two.there.session("alice").await;
    two.store().hold(Some(Step::Asked));
    let waiting = two.waiting("192.0.2.1", &opened.token).await;
    two.keeping.abort();
    until("the keeper has stopped", || !two.here.can_judge()).await;
    two.store().hold(None);
    let ended = Refusal::Denied(Denial::BadCredential(CredentialFault::Ended));
    assert_eq!(waiting.await.unwrap().unwrap_err(), ended);
    assert_eq!(now(two.ask(&opened.token)).unwrap_err(), ended);
}

#[cfg(feature = "jwt")]
#[tokio::test(start_paused = true)]
async fn a_json_web_token_of_another_server_is_asked_for_and_a_forged_one_is_not() {
    let jwt = mcp_auth::JwtSettings {
        secret: mcp_identity::SigningSecret::parse(&"secret of ours".repeat(3)).unwrap(),
        issuer: "http://localhost:8080".to_owned(),
        audience: "mcp-server".to_owned(),
    };
    let two = Two::start_with(|builder| builder.jwt(&jwt)).await;
    let attempt = crate::support::attempt("192.0.2.1", "alice", crate::support::PASSWORD);
    let opened = two.there.auth.log_in_for(&attempt, mcp_auth::Issue::Configured).await.unwrap();
    let text = opened.token.expose();
    let forged = format!("{}.{}", text.rsplit_once('.').unwrap().0, "A".repeat(43));
    assert_eq!(now(two.ask(&PlainToken::presented(forged))).unwrap_err(), UNKNOWN);
    assert!(two.store().questions().is_empty());
    assert_eq!(later(two.ask(&opened.token)).await.unwrap().user, Some(opened.user));
    assert!(now(two.ask(&opened.token)).is_ok());
}
