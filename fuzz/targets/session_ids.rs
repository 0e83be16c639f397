//! Ids of protocol sessions and of events, as clients send them: a session serves whoever opened
//! it, while it stands, and nobody else; an event is told to the session that it belongs to.
//!
//! The input is text, a request a line: who sends it (`a`, `b`), what, the session it names, and
//! the event it saw last.
//!
//! ```text
//! a open                  a handshake
//! a ping SESSION          also `note` (answers on an event stream), `go` (lets its client go),
//!                         `tell` (a notification), `gone` (DELETE)
//! a hear SESSION EVENT    GET
//! a renew                 the credential is replaced
//! a wait                  half an hour passes
//! ```
//!
//! A session is `@0`, the first that was opened, or any text; with `,` it is sent twice.

#![no_main]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use mcp_fuzz::{Numbers, principal, server};
use mcp_identity::{EndReason, LeaseEnd, Principal};
use mcp_protocol::Server;
use mcp_transport::{HttpSettings, McpService, ResponseBody, SessionSettings, Sessions};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tower_service::Service as _;

static SERVER: LazyLock<Arc<Server<Principal>>> = LazyLock::new(|| Arc::new(server()));

/// More requests than this say nothing new.
const MAX_REQUESTS: usize = 32;
/// Longer than a session may be idle.
const LONG: Duration = Duration::from_mins(31);

fuzz_target!(|input: &str| {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let numbers = Box::new(Numbers::default());
        let (sessions, keeper) =
            Sessions::with_entropy(Arc::clone(&SERVER), SessionSettings::default(), numbers);
        let settings = HttpSettings { max_body_bytes: 64 * 1024 };
        let mut world = World {
            service: McpService::new(sessions, settings, needs_credential),
            people: ["a", "b"].map(Person::new),
            opened: Vec::new(),
        };
        let mut keeping = pin!(keeper.run(std::future::pending()));
        for line in input.lines().take(MAX_REQUESTS) {
            world.read(line).await;
            // Often enough for the work that goes on without its client to come to its end.
            for _ in 0..4 {
                // Without a pause tokio takes all of this for one task that never gives way.
                yield_now().await;
                poll_fn(|cx| {
                    assert!(keeping.as_mut().poll(cx).is_pending(), "the keeper left");
                    Poll::Ready(())
                })
                .await;
            }
        }
    });
});

fn needs_credential() -> Response<ResponseBody> {
    panic!("everybody here has a credential that holds");
}

/// A caller, with the credential of the moment.
struct Person {
    name: &'static str,
    principal: Arc<Principal>,
    end: LeaseEnd,
}

impl Person {
    fn new(name: &'static str) -> Self {
        let (principal, end) = principal(name);
        Self { name, principal: Arc::new(principal), end }
    }
}

/// A session as it should be.
struct Opened {
    id: String,
    owner: usize,
    stands: bool,
}

struct World {
    service: McpService,
    people: [Person; 2],
    opened: Vec<Opened>,
}

/// What a request says of its session.
enum Named {
    Nothing,
    /// More than one, or what is no text.
    Unreadable,
    Foreign,
    /// One of the sender's own, that stands.
    Own(usize),
}

impl World {
    async fn read(&mut self, line: &str) {
        let mut words = line.splitn(4, ' ');
        let who = usize::from(words.next() == Some("b"));
        let verb = words.next().unwrap_or_default();
        let session = words.next().unwrap_or_default();
        let event = words.next();
        match verb {
            "wait" => {
                tokio::time::advance(LONG).await;
                self.opened.iter_mut().for_each(|session| session.stands = false);
            }
            "renew" => self.renew(who),
            "open" => self.open(who).await,
            _ => self.send(who, verb, session, event).await,
        }
    }

    fn renew(&mut self, who: usize) {
        let name = self.people[who].name;
        let old = std::mem::replace(&mut self.people[who], Person::new(name));
        old.end.end(EndReason::Replaced);
        let own = self.opened.iter_mut().filter(|session| session.owner == who);
        own.for_each(|session| session.stands = false);
    }

    async fn open(&mut self, who: usize) {
        let capabilities = json!({ "elicitation": {} });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities });
        let request = Message { method: "initialize", params, id: true }.post(&[]);
        let response = self.call(who, request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let id = response.headers().get("mcp-session-id").expect("a session");
        let id = id.to_str().expect("text").to_owned();
        assert!(self.opened.iter().all(|session| session.id != id), "the same id twice");
        self.opened.push(Opened { id, owner: who, stands: true });
    }

    async fn send(&mut self, who: usize, verb: &str, session: &str, event: Option<&str>) {
        let Some(headers) = self.headers(session) else { return };
        let named = self.named(who, &headers);
        let Some(request) = request(verb, &headers, &named, event) else { return };
        let response = self.call(who, request).await;
        let status = response.status();
        let expected = match (&named, verb) {
            (Named::Unreadable, _) => StatusCode::BAD_REQUEST,
            (Named::Foreign, _) => StatusCode::NOT_FOUND,
            (Named::Nothing, "hear" | "gone") => StatusCode::METHOD_NOT_ALLOWED,
            (Named::Own(_), "gone") => StatusCode::NO_CONTENT,
            (Named::Own(_), "hear") if event.is_some_and(|event| !is_event_id(event)) => {
                StatusCode::BAD_REQUEST
            }
            (Named::Nothing | Named::Own(_), "tell") => StatusCode::ACCEPTED,
            (Named::Nothing | Named::Own(_), _) => StatusCode::OK,
        };
        assert_eq!(status, expected, "{verb}");
        if let Named::Own(number) = named {
            belongs_to(number, &beginning(response.into_body()).await);
            self.opened[number].stands &= verb != "gone";
        }
    }

    /// The headers that name a session; `None` if no client could send them.
    fn headers(&self, session: &str) -> Option<Vec<HeaderValue>> {
        if session.is_empty() {
            return Some(Vec::new());
        }
        let named = session.split(',').map(|text| {
            let number = text.strip_prefix('@').and_then(|number| number.parse::<usize>().ok());
            let id = number.and_then(|number| Some(self.opened.get(number)?.id.as_str()));
            HeaderValue::from_bytes(id.unwrap_or(text).as_bytes()).ok()
        });
        named.collect()
    }

    fn named(&self, who: usize, headers: &[HeaderValue]) -> Named {
        let id = match headers {
            [] => return Named::Nothing,
            [one] => one.to_str().ok(),
            _ => None,
        };
        let Some(id) = id else { return Named::Unreadable };
        let own = |session: &Opened| session.id == id && session.owner == who && session.stands;
        self.opened.iter().position(own).map_or(Named::Foreign, Named::Own)
    }

    async fn call(
        &mut self,
        who: usize,
        mut request: Request<Full<Bytes>>,
    ) -> Response<ResponseBody> {
        let principal = Arc::clone(&self.people[who].principal);
        request.extensions_mut().insert(principal);
        self.service.call(request).await.expect("always a response")
    }
}

fn request(
    verb: &str,
    headers: &[HeaderValue],
    named: &Named,
    event: Option<&str>,
) -> Option<Request<Full<Bytes>>> {
    let number = if let Named::Own(number) = named { *number } else { usize::MAX };
    let tell = |let_go| {
        let arguments = json!({ "text": format!("<{number}>"), "let_go": let_go });
        json!({ "name": "tell", "arguments": arguments })
    };
    let message = match verb {
        "ping" => Message { method: "ping", params: json!({}), id: true },
        "note" => Message { method: "tools/call", params: tell(false), id: true },
        "go" => Message { method: "tools/call", params: tell(true), id: true },
        "tell" => Message { method: "notifications/initialized", params: json!({}), id: false },
        "hear" | "gone" => {
            let method = if verb == "hear" { "GET" } else { "DELETE" };
            let mut request = Request::builder().method(method);
            for id in headers {
                request = request.header("mcp-session-id", id);
            }
            if let Some(event) = event.filter(|_| verb == "hear") {
                request = request.header("last-event-id", event);
            }
            let request = request.header("accept", "text/event-stream");
            return request.body(Full::default()).ok();
        }
        _ => return None,
    };
    Some(message.post(headers))
}

struct Message {
    method: &'static str,
    params: serde_json::Value,
    id: bool,
}

impl Message {
    fn post(self, headers: &[HeaderValue]) -> Request<Full<Bytes>> {
        let mut message = json!({ "jsonrpc": "2.0", "method": self.method, "params": self.params });
        if self.id {
            message["id"] = 1.into();
        }
        let mut request = Request::post("/")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for id in headers {
            request = request.header("mcp-session-id", id);
        }
        request.body(message.to_string().into()).expect("a request")
    }
}

/// Two numbers with a hyphen between them, each of which fits.
fn is_event_id(text: &str) -> bool {
    let number = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.trim_start_matches('0').len() <= 20
            && text.parse::<u128>().is_ok_and(|number| number <= u128::from(u64::MAX))
    };
    text.split_once('-').is_some_and(|(stream, place)| number(stream) && number(place))
}

/// As much of a body as is there already.
async fn beginning(mut body: ResponseBody) -> String {
    let mut bytes = Vec::new();
    while let Poll::Ready(Some(frame)) =
        poll_fn(|cx| Poll::Ready(pin!(&mut body).poll_frame(cx))).await
    {
        let frame = frame.expect("nothing broke off");
        bytes.extend(frame.into_data().expect("no trailers"));
        assert!(bytes.len() < 1 << 20, "a body without an end");
    }
    String::from_utf8(bytes).expect("text")
}

/// What is said in a session is said of that session alone.
fn belongs_to(number: usize, said: &str) {
    for rest in said.split('<').skip(1) {
        let told = rest.split('>').next().unwrap_or_default();
        assert_eq!(told, number.to_string(), "the event of another session");
    }
}
