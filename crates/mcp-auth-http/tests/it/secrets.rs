//! Nothing secret is said, to no log and by no `Debug`.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use mcp_auth_http::{AuthLayer, PeerAddress};
use mcp_identity::{SystemClock, TokenHash};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{House, PASSWORD, house_of_alice, show};

/// Keeps every field of every event and span, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = writeln!(self.0, "{field}={value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn bearing(token: &str) -> Request<()> {
    let request = Request::post("/").header("authorization", format!("Bearer {token}"));
    request.extension(PeerAddress([192, 0, 2, 1].into())).body(()).unwrap()
}

/// Everything that can be shown of one request on its way through the layer.
async fn shown(house: &House, token: &str) -> String {
    let layer = AuthLayer::new(Arc::new(house.auth.clone()), Arc::new(SystemClock));
    let mut text = format!("{layer:?} {:?}", house.auth);
    let service = layer.layer(service_fn(async |request: Request<()>| {
        // What a handler would log: the whole request, and who sends it.
        let seen = format!("{request:?} {:?}", request.extensions());
        show(request).await.map(|answer| answer.map(|_| http_body_util::Full::from(seen)))
    }));
    let Ok(answer) = ServiceBuilder::new().service(service).oneshot(bearing(token)).await;
    let principal = answer.extensions().get::<Arc<mcp_identity::Principal>>().cloned();
    let _ = write!(text, "{answer:?} {principal:?}");
    let (_, _, body) = crate::support::seen_by_client(answer).await;
    let _ = write!(text, "{body:?}");
    text
}

#[tokio::test]
async fn neither_a_token_nor_a_password_nor_a_digest_is_ever_said() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let house = House::with(&["good"]).await;
    let people = house_of_alice(Duration::from_hours(1)).await;
    let (opened, ended) = (people.session().await, people.ended_session().await);
    let mut text = format!("{opened:?} {ended:?}");
    for (house, token) in [
        (&house, "never-made-token"),
        (&people, opened.token.expose()),
        (&people, ended.token.expose()),
    ] {
        text += &shown(house, token).await;
    }
    house.revoke("good").await;
    text += &log.0.lock().unwrap();
    assert!(text.contains("Put out a token") && text.contains("Session("), "{text}");
    let digest = |token: &mcp_identity::PlainToken| TokenHash::of(token).to_hex();
    for secret in [
        "never-made-token",
        opened.token.expose(),
        ended.token.expose(),
        &digest(&opened.token),
        &digest(&ended.token),
        PASSWORD,
        "$2b$04$",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
