//! Clients that go on asking who they are, and one that logs in and out, while something happens.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use serde_json::{Value, json};
use support::{Request, Response, eventually, query_message};

use crate::postgres_store::{PASSWORD, status};

/// How PostgreSQL sees whoever asks.
const WHO: &str =
    "SELECT current_setting('mcp.username') || '/' || current_setting('mcp.principal') AS who";

/// A credential, and how what PostgreSQL says of it begins.
pub(super) struct Client {
    pub(super) secret: String,
    pub(super) who: String,
}

/// What the clients met so far.
pub(super) struct Tally {
    door: SocketAddr,
    over: AtomicBool,
    served: AtomicU32,
    failed: AtomicU32,
    written: AtomicU32,
    unwritten: AtomicU32,
}

impl Tally {
    fn new(door: SocketAddr) -> Self {
        let (served, failed, written, unwritten) = Default::default();
        Self { door, over: AtomicBool::new(false), served, failed, written, unwritten }
    }

    /// Waits until many more requests are served, and logins and logouts among them.
    pub(super) fn goes_on(&self) -> bool {
        let served = self.served.load(Ordering::Relaxed) + 60;
        let written = self.written.load(Ordering::Relaxed) + 6;
        eventually(|| self.served.load(Ordering::Relaxed) > served)
            && eventually(|| self.written.load(Ordering::Relaxed) > written)
    }

    pub(super) fn failed(&self) -> u32 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Logins and logouts of which nobody knows whether they hold.
    pub(super) fn unwritten(&self) -> u32 {
        self.unwritten.load(Ordering::Relaxed)
    }

    fn note(&self, served: bool) {
        let count = if served { &self.served } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn note_write(&self, acknowledged: bool) {
        let count = if acknowledged { &self.written } else { &self.unwritten };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Tells the clients to stop, when the test is over or has failed: it ends only when they do.
struct Stops<'a>(&'a Tally);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// What was acknowledged to somebody who logs in and out.
#[derive(Default)]
pub(super) struct Acknowledged {
    /// Sessions that were opened, and not ended.
    pub(super) opened: Vec<String>,
    /// Sessions that were ended.
    pub(super) ended: Vec<String>,
}

impl Acknowledged {
    /// Every other session is ended again. Where no answer comes, nobody knows what holds.
    fn write(door: SocketAddr, name: &str, tally: &Tally) -> Self {
        let mut made = Self::default();
        while !tally.is_over() {
            let session = open(door, name);
            tally.note_write(session.is_some());
            let Some(session) = session else { continue };
            made.opened.push(session);
            if made.opened.len() > made.ended.len() + 3 {
                made.end_oldest(tally);
            }
        }
        made
    }

    fn end_oldest(&mut self, tally: &Tally) {
        let session = self.opened.remove(0);
        let logout = Request::new("POST", "/auth/logout").bearer(&session);
        let acknowledged = logout.try_send(tally.door).is_some_and(|answer| answer.status == 200);
        tally.note_write(acknowledged);
        if acknowledged {
            self.ended.push(session);
        }
    }

    /// Holds it against servers, as soon as word of it has come to each.
    pub(super) fn assert_holds(&self, at: &[SocketAddr]) {
        assert!(!self.opened.is_empty() && !self.ended.is_empty(), "something was written");
        let holds = |to: SocketAddr| {
            let all = |sessions: &[String], wanted: u16| {
                support::eventually(|| sessions.iter().all(|it| status(to, it) == wanted))
            };
            assert!(all(&self.opened, 200), "a session is lost at {to}");
            assert!(all(&self.ended, 401), "a session came back at {to}");
        };
        thread::scope(|scope| {
            for to in at {
                let holds = &holds;
                scope.spawn(move || holds(*to));
            }
        });
    }
}

/// Has the clients ask at the door while `act` goes on, and `writer` log in and out.
pub(super) fn under_load(
    door: SocketAddr,
    clients: &[Client],
    writer: &str,
    act: impl FnOnce(&Tally),
) -> Acknowledged {
    let tally = Tally::new(door);
    thread::scope(|scope| {
        let tally = &tally;
        let stops = Stops(tally);
        for client in clients {
            scope.spawn(move || {
                while !tally.is_over() {
                    tally.note(ask(tally.door, client));
                }
            });
        }
        let writing = scope.spawn(move || Acknowledged::write(door, writer, tally));
        assert!(tally.goes_on(), "the clients are served");
        act(tally);
        drop(stops);
        writing.join().unwrap()
    })
}

/// Asks once. Whoever is answered is answered as himself, or told to try again: a good credential
/// is refused by nobody.
fn ask(door: SocketAddr, client: &Client) -> bool {
    let message = query_message(&json!({ "query": WHO }));
    let Some(answer) = Request::mcp(&message).bearer(&client.secret).try_send(door) else {
        return false;
    };
    match answer.status {
        200 => is_answered_as(&client.who, &answer),
        502..=504 => false,
        other => panic!("{} was answered {other}: {}", client.who, answer.text()),
    }
}

fn is_answered_as(who: &str, answer: &Response) -> bool {
    const KNOWN: [&str; 4] = ["cannot be reached", "broke while the query ran", "57P0", "busy"];
    let answer = answer.json();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    if answer["result"]["isError"] == true {
        assert!(KNOWN.iter().any(|words| text.contains(words)), "{who} got {answer}");
        return false;
    }
    assert!(text.starts_with(&format!("who\n{who}")), "{who} got {answer}");
    true
}

/// The session of a login that was acknowledged.
fn open(door: SocketAddr, name: &str) -> Option<String> {
    let arguments = json!({ "username": name, "password": PASSWORD });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = Request::mcp(&message).try_send(door).filter(|answer| answer.status == 200)?;
    let answer = answer.json();
    let text = answer["result"]["content"][0]["text"].as_str()?;
    let said: Value = serde_json::from_str(text).ok()?;
    said["session_token"].as_str().map(str::to_owned)
}
