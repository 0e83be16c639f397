//! Messages of strangers, in both eras: whatever comes, the answer is one, and well-formed.
//!
//! The input is text in paragraphs. The first says what wire it is (`stdio`, `stdio 2025-11-25`,
//! `http`, `http 2025-06-18`, each perhaps with `held`); each of the others is a message. Where
//! the first says nothing of that kind it is a message too.

#![no_main]

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use mcp_fuzz::{Collected, check_answer, check_message, check_reading, now, principal, server};
use mcp_identity::Principal;
use mcp_protocol::{
    ClientCapabilities, Code, Conversation, Exchange, Handshake, Output, Reply, Revision,
    RoutingHeaders, Server, Status, parse,
};

static SERVER: LazyLock<Server<Principal>> = LazyLock::new(server);

/// More messages than this say nothing new.
const MAX_MESSAGES: usize = 8;

fuzz_target!(|input: &[u8]| {
    let mut paragraphs: Vec<&[u8]> = paragraphs(input);
    let wire = paragraphs.first().and_then(|first| Wire::read(first));
    if wire.is_some() {
        paragraphs.remove(0);
    }
    paragraphs.truncate(MAX_MESSAGES);
    converse(&wire.unwrap_or_default(), &paragraphs);
    for message in paragraphs {
        check_reading(message);
        refuses_doubled_keys(message);
    }
});

fn paragraphs(input: &[u8]) -> Vec<&[u8]> {
    let mut paragraphs = Vec::new();
    let mut rest = input;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\n\n") {
        paragraphs.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    paragraphs.push(rest);
    paragraphs
}

/// How messages arrive.
#[derive(Default)]
struct Wire {
    /// `None`: the wire has none.
    headers: Option<RoutingHeaders<'static>>,
    conversation: Option<Conversation>,
    held: bool,
}

impl Wire {
    fn read(line: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(line).ok()?.split(' ').peekable();
        let kind = words.next()?;
        let revision = words.next_if(|word| *word != "held").map(Revision::find);
        let held = words.next() == Some("held");
        let conversation = match (kind, revision) {
            ("stdio", None) => Some(Conversation::default()),
            ("stdio", Some(revision)) => Some(Conversation::opened(handshake(revision?))),
            ("http", _) => None,
            _ => return None,
        };
        let version = revision.flatten().map(Revision::as_str);
        let headers = RoutingHeaders { version, ..RoutingHeaders::default() };
        Some(Self { headers: (kind == "http").then_some(headers), conversation, held })
    }
}

fn handshake(revision: Revision) -> Handshake {
    let everything = r#"{"elicitation":{},"sampling":{},"roots":{}}"#;
    let everything = serde_json::from_str(everything).expect("an object");
    let capabilities = ClientCapabilities::read(everything).expect("capabilities");
    Handshake { revision, capabilities }
}

/// A request that waits for what its client says next.
struct Waiting<'a> {
    message: &'a [u8],
    sink: Arc<Collected>,
    work: Pin<Box<dyn Future<Output = Reply> + 'a>>,
}

impl Waiting<'_> {
    /// Works on; `true` once it is answered.
    fn is_done(&mut self) -> bool {
        let polled = self.work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let heard = self.sink.take();
        heard.messages.iter().for_each(|message| check_message(message));
        match polled {
            Poll::Ready(reply) => {
                check_answer(self.message, heard.answer, reply);
                true
            }
            Poll::Pending => {
                assert!(heard.answer.is_empty(), "a tool of this server waits before it writes");
                false
            }
        }
    }
}

/// Sends one message after the other, while those before may still wait.
fn converse(wire: &Wire, messages: &[&[u8]]) {
    let (caller, _end) = principal("caller");
    let mut waiting = Vec::new();
    for message in messages {
        let sink = Arc::new(Collected::default());
        let output =
            if wire.held { Output::held() } else { Output::streamed(Arc::clone(&sink) as Arc<_>) };
        let work = Box::pin(SERVER.handle(
            Exchange {
                principal: &caller,
                message,
                headers: wire.headers,
                conversation: wire.conversation.as_ref(),
            },
            output,
        ));
        waiting.push(Waiting { message, sink, work });
        waiting.retain_mut(|waiting| !waiting.is_done());
    }
    if let Some(conversation) = &wire.conversation {
        conversation.end();
        waiting.retain_mut(|waiting| !waiting.is_done());
    }
}

/// The same message with one key of one object there twice is no message any more.
fn refuses_doubled_keys(message: &[u8]) {
    if parse(message).is_err() {
        return;
    }
    for (place, key) in keys(message).into_iter().take(8) {
        for again in [key.to_vec(), spelled_otherwise(key)] {
            let doubled = [&message[..place], &again[..], b":0,", &message[place..]].concat();
            let refused = parse(&doubled).expect_err("a doubled key was taken");
            assert_eq!(refused.error.code, Code::ParseError);
            let (caller, _end) = principal("caller");
            let exchange = Exchange {
                principal: &caller,
                message: &doubled,
                headers: None,
                conversation: None,
            };
            let reply = now(SERVER.handle(exchange, Output::held())).expect("refused at once");
            assert_eq!(reply.status, Status::Refused(Code::ParseError, None));
            check_answer(&doubled, Vec::new(), reply);
        }
    }
}

/// The first key of each object that has one, as it is written, and where it stands.
fn keys(message: &[u8]) -> Vec<(usize, &[u8])> {
    let mut keys = Vec::new();
    let mut place = 0;
    let mut opened = false;
    while let Some(&byte) = message.get(place) {
        match byte {
            b'"' => {
                let end = place + string_length(&message[place..]);
                if opened {
                    keys.push((place, &message[place..end]));
                }
                place = end;
                opened = false;
                continue;
            }
            b'{' => opened = true,
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => opened = false,
        }
        place += 1;
    }
    keys
}

/// The length of the string that `text` begins with, both quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut place = 1;
    while let Some(&byte) = text.get(place) {
        match byte {
            b'"' => return place + 1,
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
    text.len()
}

/// The same key with its first character escaped, or just the same.
fn spelled_otherwise(key: &[u8]) -> Vec<u8> {
    match key {
        [b'"', first, rest @ ..] if first.is_ascii_alphanumeric() => {
            [format!("\"\\u{first:04x}").as_bytes(), rest].concat()
        }
        _ => key.to_vec(),
    }
}
