//! What a line says, and what it never does.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use mcp_identity::{
    Actor, AuditAction, AuditEvent, AuditLog as _, AuditOutcome, Caller, PrincipalId, RequestId,
    Subject,
};
use proptest::prelude::*;

use crate::support::*;

fn event(action: AuditAction, subject: Subject, actor: Actor) -> AuditEvent {
    AuditEvent::new(at(NOON), action, AuditOutcome::Done, subject, actor)
}

#[tokio::test]
async fn a_line_has_its_keys_in_order_and_says_no_more_than_there_is() {
    let log = Log::new();
    let operator = Actor::Operator("root".into());
    let unknown = AuditEvent {
        outcome: AuditOutcome::Refused("bad_credentials"),
        ..event(AuditAction::Login, Subject::UnknownUser, from_the_wire("curl/8"))
    };
    let lock = AuditEvent { count: 3, ..event(AuditAction::Lock, Subject::None, Actor::Server) };
    log.write([
        login(NOON, "Alice"),
        failure(NOON),
        unknown,
        event(AuditAction::AddUser, Subject::User(user("bob")), operator),
        lock,
    ])
    .await;

    let head = r#"{"v":1,"time":"2026-11-21T12:00:00.250Z","action":"#;
    let wire = r#""address":"192.0.2.7","agent":"curl/8","request_id":"req-1""#;
    let expected = [
        format!(
            r#""login","outcome":"done","user":"Alice","session":"abababababababab",{wire},"principal":"session:abababababababab"}}"#
        ),
        format!(
            r#""bearer","outcome":"refused","reason":"expired_credential","token":"token-1",{wire}}}"#
        ),
        format!(
            r#""login","outcome":"refused","reason":"bad_credentials","user":null,"known":false,{wire}}}"#
        ),
        r#""add_user","outcome":"done","user":"bob","operator":"root"}"#.to_owned(),
        r#""lock","outcome":"done","count":3}"#.to_owned(),
    ];
    let expected = expected.map(|rest| format!("{head}{rest}\n")).concat();
    assert_eq!(log.text("audit.jsonl"), expected);
}

#[tokio::test]
async fn what_was_written_is_read_back() {
    let log = Log::new();
    log.write([login(NOON, "Alice"), failure(NOON)]).await;
    let lines = log.lines();
    assert_eq!(lines[0].time, at(NOON));
    assert_eq!(lines[0].user.as_deref(), Some("Alice"));
    assert_eq!(lines[0].principal.as_deref(), Some("session:abababababababab"));
    assert_eq!((lines[0].known, lines[0].count), (true, 1));
    assert_eq!(lines[1].reason.as_deref(), Some("expired_credential"));
    assert_eq!(lines[1].address, Some([192, 0, 2, 7].into()));
}

#[tokio::test]
async fn a_hostile_agent_stays_on_its_line_and_can_be_seen() {
    let log = Log::new();
    let agent =
        "a\r\nb\u{1b}[31m\0\u{2028}\u{2029}\u{202e}\u{200b}\u{feff}\u{7f}\u{9b}\"\\\u{e0041}";
    log.write([event(AuditAction::Logout, Subject::None, from_the_wire(agent))]).await;
    let text = log.text("audit.jsonl");
    let escaped = concat!(
        r#""agent":"a\r\nb\u001b[31m\u0000\u2028\u2029\u202e\u200b\ufeff\u007f\u009b\"\\"#,
        r#"\udb40\udc41","#
    );
    assert!(text.contains(escaped), "{text}");
    assert_eq!(log.lines()[0].agent.as_deref(), Some(agent));
}

#[tokio::test]
async fn a_long_value_is_cut_and_the_cut_is_shown() {
    let log = Log::new();
    let endless = "x".repeat(100_000);
    log.write([
        event(AuditAction::Logout, Subject::None, from_the_wire(&endless)),
        event(AuditAction::AddUser, Subject::None, Actor::Operator(endless)),
    ])
    .await;
    let cut = format!("{}…", "x".repeat(256));
    let lines = log.lines();
    assert_eq!(lines[0].agent.as_deref(), Some(&*cut));
    assert_eq!(lines[1].operator.as_deref(), Some(&*cut));
}

#[tokio::test]
async fn a_flood_of_bad_tokens_is_a_few_lines_and_every_one_is_counted() {
    let log = Log::new();
    log.write((0..5_000).map(|_| failure(NOON))).await;
    let lines = log.lines();
    assert!(lines.len() < 10, "{} lines", lines.len());
    assert_eq!(lines.iter().map(|line| line.count).sum::<u64>(), 5_000);
}

#[tokio::test(start_paused = true)]
async fn what_was_folded_is_told_after_a_minute_though_nothing_else_happens() {
    let log = Log::new();
    let (audit, writer) = log.open().unwrap();
    let running = tokio::spawn(writer.run(std::future::pending()));
    for _ in 0..100 {
        audit.record(failure(NOON));
    }
    let mut lines = log.follow();
    for _ in 0..5 {
        assert_eq!(lines.wait().await.unwrap().count, 1);
    }
    log.clock.set("2026-11-21T12:01:00.250Z");
    assert_eq!(lines.wait().await.unwrap().count, 95);
    running.abort();
}

#[tokio::test]
async fn eight_threads_lose_nothing_and_each_is_in_order() {
    const EACH: u16 = 1_250;
    let log = Log::new();
    let (audit, writer) = log.open().unwrap();
    let (done, all_done) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(writer.run(async {
        let _ = all_done.await;
    }));
    let threads = (0..8).map(|thread| {
        let audit = audit.clone();
        std::thread::spawn(move || {
            for number in 0..EACH {
                audit.record(login(NOON, &format!("{thread}-{number}")));
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    // Off the runtime, where the writer is at work meanwhile.
    let joined = tokio::task::spawn_blocking(|| {
        for thread in threads {
            thread.join().unwrap();
        }
    });
    joined.await.unwrap();
    done.send(()).unwrap();
    running.await.unwrap().unwrap();

    let lines = log.lines();
    assert_eq!(lines.len(), 8 * usize::from(EACH));
    for thread in 0..8 {
        let of = format!("{thread}-");
        let theirs = lines.iter().filter_map(|line| line.user.as_ref()?.strip_prefix(&of));
        assert!(theirs.eq((0..EACH).map(|number| number.to_string())), "thread {thread}");
    }
}

#[test]
fn recording_needs_no_runtime_and_a_process_that_ends_at_once_leaves_its_lines() {
    let log = Log::new();
    let (audit, writer) = log.open().unwrap();
    audit.record(login(NOON, "alice"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(writer.run(async {})).unwrap();
    assert_eq!(users(&log.lines()), ["alice"]);
}

fn any_event() -> impl Strategy<Value = AuditEvent> {
    let actor = prop_oneof![
        (any::<[u8; 16]>(), prop::option::of(any::<String>()), any::<[u8; 16]>()).prop_map(
            |(address, agent, id)| {
                let (agent, request_id) = (agent.map(Arc::from), RequestId::from_bytes(id));
                Actor::Caller(Caller { address: address.into(), agent, request_id }, None)
            }
        ),
        prop::collection::vec(any::<char>(), 0..400)
            .prop_map(|name| Actor::Operator(name.into_iter().collect())),
        Just(Actor::Principal(PrincipalId::Local)),
        Just(Actor::Server),
    ];
    let subject = prop_oneof![
        Just(Subject::None),
        Just(Subject::UnknownUser),
        "\\PC{1,40}".prop_filter_map("a name", |name| {
            mcp_identity::UserName::parse(&name).ok().map(Subject::User)
        }),
    ];
    (0_u64..1 << 40, actor, subject).prop_map(|(ms, actor, subject)| {
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        AuditEvent::new(time, AuditAction::EditUser, AuditOutcome::Failed("down"), subject, actor)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_is_recorded_breaks_a_line_or_hides_in_it(
        events in prop::collection::vec(any_event(), 1..20),
    ) {
        let log = Log::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(log.write(events.clone()));
        let text = fs::read_to_string(log.current()).unwrap();
        let hides = |c: char| c != '\n' && !"'\"\\".contains(c) && c.escape_debug().len() > 1;
        prop_assert_eq!(text.chars().find(|c| hides(*c)), None);
        let lines = log.lines();
        prop_assert_eq!(lines.len(), events.len());
        for (line, event) in lines.iter().zip(&events) {
            prop_assert_eq!(line.time, event.at);
            match &event.actor {
                Actor::Caller(caller, _) => {
                    prop_assert_eq!(line.address, Some(caller.address));
                    prop_assert_eq!(line.agent.is_some(), caller.agent.is_some());
                }
                Actor::Operator(name) => {
                    let shown = line.operator.as_deref().unwrap();
                    prop_assert!(shown == name || name.starts_with(shown.trim_end_matches('…')));
                }
                Actor::Principal(id) => {
                    prop_assert_eq!(line.principal.clone(), Some(id.to_string()));
                }
                Actor::Server => prop_assert_eq!(line.address, None),
            }
            if let Subject::User(name) = &event.subject {
                prop_assert_eq!(line.user.as_deref(), Some(name.as_str()));
            }
        }
    }
}
