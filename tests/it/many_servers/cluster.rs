//! Three servers on one database of credentials, and HAProxy before them.

use std::net::SocketAddr;

use support::{Installation, Request, ServerProcess, eventually};

use super::balancer::Balancer;
use super::line::Line;
use crate::postgres_store::installed;

pub(super) const NAMES: [&str; 3] = ["one", "two", "three"];

/// All clients are one address here, and its failures are not what this is about.
const MANY_FAILURES: (&str, &str) = ("MCP_HTTP_AUTH_RATE_LIMIT_MAX_ATTEMPTS", "10000");
const MANY_BAD_TOKENS: (&str, &str) = ("MCP_HTTP_AUTH_BEARER_FAILURES", "100000");
const LEAD: &str = "MCP_HTTP_LIMITS_DRAIN_LEAD";
const TRUSTED: (&str, &str) = ("MCP_HTTP_TRUSTED_PROXIES", "127.0.0.1");

pub(super) struct Cluster {
    // In the order in which they end.
    balancer: Balancer,
    servers: Vec<ServerProcess>,
    pub(super) installation: Installation,
    environment: Vec<(&'static str, &'static str)>,
}

impl Cluster {
    /// The servers, where nobody has been yet; `users` goes under `users` in the configuration.
    pub(super) fn start(users: &str) -> Self {
        Self::start_in(vec![MANY_FAILURES, MANY_BAD_TOKENS, TRUSTED], installed(users), None)
    }

    /// The same, where each server takes requests for a while once it was told to stop.
    pub(super) fn start_with_lead(lead: &'static str) -> Self {
        let environment = vec![MANY_FAILURES, MANY_BAD_TOKENS, TRUSTED, (LEAD, lead)];
        Self::start_in(environment, installed(""), None)
    }

    /// The same, where letters are sent to a server of mail on this port.
    pub(super) fn start_with_mail(port: u16) -> Self {
        let mail = format!(
            "smtp:\n  host: 127.0.0.1\n  port: {port}\n  starttls: false\n  from_email: \
             mcp@example.com\n"
        );
        let environment = vec![MANY_FAILURES, MANY_BAD_TOKENS, TRUSTED];
        Self::start_in(environment, installed(&mail), None)
    }

    /// The same with the limits that a server has unless it is told others.
    pub(super) fn start_with_usual_limits() -> Self {
        Self::start_in(vec![TRUSTED], installed(""), None)
    }

    /// The same, where the last server reaches the credentials by a line that can lose things.
    pub(super) fn start_with_line(users: &str) -> (Self, Line) {
        let installation = installed(users);
        let line = Line::to(installation.postgres().socket_dir().join(".s.PGSQL.5432"));
        let environment = vec![MANY_FAILURES, MANY_BAD_TOKENS, TRUSTED];
        (Self::start_in(environment, installation, Some(&line)), line)
    }

    fn start_in(
        environment: Vec<(&'static str, &'static str)>,
        installation: Installation,
        line: Option<&Line>,
    ) -> Self {
        let dsn = line.map(|line| {
            format!("postgresql://keeper@127.0.0.1:{}/people?sslmode=disable", line.port())
        });
        let servers: Vec<_> = NAMES
            .iter()
            .map(|name| {
                let dsn = dsn.as_deref().filter(|_| *name == "three");
                let more = dsn.map(|dsn| ("USER_DATABASE_DSN", dsn));
                start(&installation, environment.iter().copied().chain(more))
            })
            .collect();
        let places: Vec<_> =
            NAMES.iter().zip(&servers).map(|(name, server)| (*name, server.address())).collect();
        let balancer = Balancer::before(&places);
        Self { balancer, servers, installation, environment }
    }

    /// HAProxy.
    pub(super) fn door(&self) -> SocketAddr {
        self.balancer.address()
    }

    pub(super) fn server(&self, index: usize) -> &ServerProcess {
        &self.servers[index]
    }

    /// The servers themselves.
    pub(super) fn places(&self) -> [SocketAddr; 3] {
        [0, 1, 2].map(|index| self.servers[index].address())
    }

    /// Ends a server as a crash does.
    pub(super) fn kill(&mut self, index: usize) {
        self.servers[index].signal("KILL");
        assert!(!self.servers[index].wait().success());
        assert!(self.is_left_out(index));
    }

    /// Ends a server as the guide has operators do it.
    pub(super) fn stop(&mut self, index: usize) {
        self.balancer.set_state(NAMES[index], "drain");
        assert!(eventually(|| self.balancer.requests_at(NAMES[index]) == 0));
        self.servers[index].signal("TERM");
        assert!(self.servers[index].wait().success());
        assert!(self.is_left_out(index));
    }

    /// Ends a server as systemd does: HAProxy is told by nobody but the server.
    pub(super) fn terminate(&mut self, index: usize) {
        self.servers[index].signal("TERM");
        assert!(self.is_left_out(index));
        let log = self.servers[index].log();
        assert!(!log.contains("no new requests"), "it is left out while it serves\n{log}");
        assert!(self.servers[index].wait().success());
    }

    /// Starts it again, and waits until HAProxy sends requests to it.
    pub(super) fn start_again(&mut self, index: usize) {
        self.servers[index] = start(&self.installation, self.environment.iter().copied());
        self.balancer.moved(NAMES[index], self.servers[index].address());
        self.balancer.set_state(NAMES[index], "ready");
        assert!(eventually(|| self.balancer.sends_to(NAMES[index])));
    }

    /// Waits until HAProxy sends nobody to a server.
    pub(super) fn is_left_out(&self, index: usize) -> bool {
        eventually(|| !self.balancer.sends_to(NAMES[index]))
    }

    /// Waits until every server is well.
    pub(super) fn is_well(&self) -> bool {
        self.places().into_iter().all(|to| eventually(|| is_well(to)))
    }
}

pub(super) fn is_well(to: SocketAddr) -> bool {
    Request::new("GET", "/health").send(to).text() == r#"{"status":"ok"}"#
}

fn start<'a>(
    installation: &Installation,
    environment: impl Iterator<Item = (&'a str, &'a str)>,
) -> ServerProcess {
    let config = installation.config();
    let environment: Vec<_> = environment.collect();
    ServerProcess::start(&["--config", &config.to_string_lossy()], &environment)
}
