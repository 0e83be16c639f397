//! An endpoint to be tested, with all that it stands on.

use std::sync::Arc;

use http::{Response, StatusCode};
use mcp_identity::{
    EndReason, Entropy, EntropyError, Lease, LeaseEnd, Principal, PrincipalId, SystemEntropy,
    TokenId,
};
use mcp_protocol::{
    Announcer, BoxFuture, Failure, Implementation, ReadCall, Resource, ResourceBody,
    ResourceContents, ResourceDescriptor, Server,
};
use mcp_transport::{
    HttpSettings, McpService, ResponseBody as Body, SessionKeeper, SessionSettings, Sessions,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::play::{Play, Stage};

/// What an endpoint is made of.
pub(crate) struct Plan {
    pub(crate) settings: SessionSettings,
    pub(crate) entropy: Box<dyn Entropy>,
    pub(crate) announces: bool,
}

impl Default for Plan {
    fn default() -> Self {
        let entropy = Box::new(SystemEntropy);
        Self { settings: SessionSettings::default(), entropy, announces: true }
    }
}

/// The endpoint, kept until it is told to stop.
pub(crate) struct Endpoint {
    pub(crate) service: McpService,
    pub(crate) stage: Stage,
    pub(crate) announcer: Announcer,
    stop: Option<oneshot::Sender<()>>,
    keeper: JoinHandle<()>,
}

impl Endpoint {
    pub(crate) fn new() -> Self {
        Self::of(Plan::default())
    }

    pub(crate) fn of(plan: Plan) -> Self {
        let (stage, announcer) = (Stage::new(), Announcer::new());
        let server = server(&stage, plan.announces.then(|| announcer.clone()));
        let (sessions, keeper) =
            Sessions::with_entropy(Arc::new(server), plan.settings, plan.entropy);
        let settings = HttpSettings { max_body_bytes: 1024 * 1024 };
        let service = McpService::new(sessions, settings, needs_credential);
        let (stop, stopped) = oneshot::channel();
        let keeper = tokio::spawn(keep(keeper, stopped));
        Self { service, stage, announcer, stop: Some(stop), keeper }
    }

    /// A client with a credential of its own, in no session.
    pub(crate) fn client(&self, token: &str) -> Client {
        Client::new(self.service.clone(), principal(token))
    }

    /// Stops the keeper, and waits until it has stopped.
    pub(crate) async fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        (&mut self.keeper).await.unwrap();
    }

    pub(crate) fn is_kept(&self) -> bool {
        !self.keeper.is_finished()
    }
}

async fn keep(keeper: SessionKeeper, stopped: oneshot::Receiver<()>) {
    keeper.run(async { stopped.await.unwrap_or(()) }).await;
}

/// A server with one tool and one resource.
pub(crate) fn server(stage: &Stage, announcer: Option<Announcer>) -> Server<Principal> {
    let implementation =
        Implementation { name: "theatre", title: "Theatre", version: "1", icons: Vec::new() };
    let builder = Server::builder(implementation)
        .tool(Arc::new(Play(stage.clone())))
        .resource(Arc::new(Bill))
        .logs();
    match announcer {
        Some(announcer) => builder.announcer(announcer).build(),
        None => builder.build(),
    }
}

/// The address of the one resource.
pub(crate) const BILL: &str = "theatre://bill";

struct Bill;

impl Resource<Principal> for Bill {
    fn descriptor(&self) -> ResourceDescriptor {
        ResourceDescriptor {
            uri: BILL,
            name: "bill",
            title: "Bill",
            description: "What is played tonight".into(),
            mime_type: None,
            icons: Vec::new(),
        }
    }

    fn read<'a>(
        &'a self,
        _: ReadCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Failure>> {
        let body = ResourceBody::Text("A play".into());
        let contents = ResourceContents { uri: BILL.into(), mime_type: None, body };
        Box::pin(async { Ok(vec![contents]) })
    }
}

/// Who holds a token, and what ends it.
pub(crate) struct Holder {
    pub(crate) principal: Arc<Principal>,
    end: LeaseEnd,
}

impl Holder {
    pub(crate) fn revoke(&self) {
        self.end.end(EndReason::Revoked);
    }
}

pub(crate) fn principal(token: &str) -> Arc<Holder> {
    let (mut principal, _) = Principal::local();
    let (lease, end) = Lease::new();
    principal.id = PrincipalId::Token(TokenId::parse(token).unwrap());
    principal.lease = lease;
    Arc::new(Holder { principal: Arc::new(principal), end })
}

/// A source that is dry.
pub(crate) struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
}

fn needs_credential() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}
