//! From a target to a connection: hosts in order, TLS as asked, the session pinned.

use std::error::Error as _;

use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding as TokioChannelBinding;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::cancel::CancelHandle;
use crate::database_error::DatabaseError;
use crate::dial::{Endpoint, Security};
use crate::dsn::passfile::PassFile;
use crate::error::{ConnectError, WireError};
use crate::handshake::{self, Failure};
use crate::secret::Secret;
use crate::session::SessionSettings;
use crate::stream::Stream;
use crate::target::{ChannelBinding, Host, SslMode, Target, TargetSessionAttrs};
use crate::tls;
use crate::wire::Connection;

impl Connection {
    /// Connects to the first of the target's hosts that answers and is of the kind wanted, and
    /// pins the session. Each address has the target's `connect_timeout`.
    ///
    /// Other hosts are tried when one cannot be reached, is still starting, or is of the wrong
    /// kind. A refused password or certificate is final, as in libpq.
    pub async fn connect(target: &Target, session: &SessionSettings) -> Result<Self, ConnectError> {
        first_that_will_do(target, session).await
    }

    /// Connects once more to the very address that this connection goes to, whatever other hosts
    /// the target has: a process id means something on its own server only.
    pub async fn connect_beside(
        &self,
        target: &Target,
        session: &SessionSettings,
    ) -> Result<Self, ConnectError> {
        let attempt = Attempt::new(target, session)?;
        let cancel = self.cancel_handle();
        let (endpoint, any) = (cancel.endpoint(), TargetSessionAttrs::Any);
        let connecting = attempt.endpoint(&endpoint.host, endpoint, any);
        attempt.timed(&endpoint.host, connecting).await
    }
}

/// What a stream that is logged in is made into.
pub(crate) trait Product: Sized {
    async fn establish(
        attempt: &Attempt<'_>,
        host: &Host,
        endpoint: &Endpoint,
        stream: Stream,
        security: Security,
    ) -> Result<(Self, Standing), ConnectError>;
}

/// What a server is at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) read_only: bool,
    pub(crate) standby: bool,
}

/// Tries the hosts of the target in order.
pub(crate) async fn first_that_will_do<P: Product>(
    target: &Target,
    session: &SessionSettings,
) -> Result<P, ConnectError> {
    let attempt = Attempt::new(target, session)?;
    let mut failures = Vec::new();
    for wanted in passes(target.target_session_attrs) {
        for host in &target.hosts {
            match attempt.host(host, *wanted).await {
                Err(error) if error.allows_next_host() => failures.push(error),
                settled => return settled,
            }
        }
    }
    match failures.pop() {
        Some(only) if failures.is_empty() => Err(only),
        last => {
            failures.extend(last);
            Err(ConnectError::NoHost(failures))
        }
    }
}

impl Product for Connection {
    async fn establish(
        attempt: &Attempt<'_>,
        host: &Host,
        endpoint: &Endpoint,
        stream: Stream,
        security: Security,
    ) -> Result<(Self, Standing), ConnectError> {
        let config = handshake::secured(attempt.config(host), &stream);
        let (stream, token) = handshake::log_in(stream, &config)
            .await
            .map_err(|failure| login_error(endpoint, failure))?;
        let timeout = attempt.target.connect_timeout;
        let cancel = CancelHandle::new(token, endpoint.clone(), security, timeout);
        let (connection, facts) = Self::prepare(stream, cancel, attempt.session)
            .await
            .map_err(|error| prepare_error(endpoint, error))?;
        Ok((connection, Standing { read_only: facts.read_only, standby: facts.standby }))
    }
}

/// What is wanted in the first round over the hosts, and in the next.
fn passes(wanted: TargetSessionAttrs) -> &'static [TargetSessionAttrs] {
    match wanted {
        TargetSessionAttrs::Any => &[TargetSessionAttrs::Any],
        TargetSessionAttrs::ReadWrite => &[TargetSessionAttrs::ReadWrite],
        TargetSessionAttrs::ReadOnly => &[TargetSessionAttrs::ReadOnly],
        TargetSessionAttrs::Primary => &[TargetSessionAttrs::Primary],
        TargetSessionAttrs::Standby => &[TargetSessionAttrs::Standby],
        TargetSessionAttrs::PreferStandby => {
            &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any]
        }
    }
}

/// What all hosts have in common.
pub(crate) struct Attempt<'a> {
    target: &'a Target,
    pub(crate) session: &'a SessionSettings,
    connector: Option<MakeRustlsConnect>,
    options: String,
    passfile: Option<PassFile>,
}

impl<'a> Attempt<'a> {
    fn new(target: &'a Target, session: &'a SessionSettings) -> Result<Self, ConnectError> {
        let odd = |name| {
            ConnectError::SessionSettings(format!("{name:?} cannot be the name of a setting"))
        };
        let options = session.startup_options(target.options.as_deref()).map_err(odd)?;
        // To PostgreSQL they mean "the login role", which is more than was asked for.
        if session.role.as_deref().is_some_and(|role| role.is_empty() || role == "none") {
            return Err(ConnectError::SessionSettings(
                "a role must not be empty or \"none\"".into(),
            ));
        }
        let passfile = match (&target.password, &target.passfile) {
            (None, Some(path)) => PassFile::read(path)?,
            _ => None,
        };
        let connector = tls::connector(target)?;
        Ok(Self { target, session, connector, options, passfile })
    }

    /// The first address of the host that will do. All of them failing, the last one's reason.
    async fn host<P: Product>(
        &self,
        host: &Host,
        wanted: TargetSessionAttrs,
    ) -> Result<P, ConnectError> {
        let endpoints = self.timed(host, Endpoint::resolve(host)).await?;
        let mut last = None;
        for endpoint in &endpoints {
            match self.timed(host, self.endpoint(host, endpoint, wanted)).await {
                Err(error) if error.allows_next_host() => last = Some(error),
                settled => return settled,
            }
        }
        let nothing = || ConnectError::Io {
            host: host.to_string(),
            source: std::io::ErrorKind::AddrNotAvailable.into(),
        };
        Err(last.unwrap_or_else(nothing))
    }

    async fn timed<T>(
        &self,
        host: &Host,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let after = self.target.connect_timeout;
        let outcome = tokio::time::timeout(after, work).await;
        outcome.unwrap_or_else(|_| Err(ConnectError::TimedOut { host: host.to_string(), after }))
    }

    async fn endpoint<P: Product>(
        &self,
        host: &Host,
        endpoint: &Endpoint,
        wanted: TargetSessionAttrs,
    ) -> Result<P, ConnectError> {
        let connector = self.connector.clone().filter(|_| !endpoint.is_unix());
        let (security, plain_next) = match (connector, self.target.sslmode) {
            (None, _) | (_, SslMode::Disable) => (Security::Plain, false),
            (Some(connector), SslMode::Prefer) => (Security::TlsIfOffered(connector), true),
            (Some(connector), SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => {
                (Security::Tls(connector), false)
            }
        };
        match self.establish(host, endpoint, security, wanted).await {
            Err(error) if plain_next && is_about_tls(&error) => {
                self.establish(host, endpoint, Security::Plain, wanted).await
            }
            settled => settled,
        }
    }

    async fn establish<P: Product>(
        &self,
        host: &Host,
        endpoint: &Endpoint,
        security: Security,
        wanted: TargetSessionAttrs,
    ) -> Result<P, ConnectError> {
        let stream = endpoint.open(&security).await?;
        // A cancel request goes the way that the connection went.
        let security = match security {
            Security::TlsIfOffered(connector) if stream.is_tls() => Security::Tls(connector),
            Security::TlsIfOffered(_) => Security::Plain,
            settled => settled,
        };
        let (made, standing) = P::establish(self, host, endpoint, stream, security).await?;
        if is_suitable(wanted, standing, self.session) {
            return Ok(made);
        }
        Err(ConnectError::Unsuitable { host: endpoint.label.clone(), wanted: wanted.as_str() })
    }

    pub(crate) fn config(&self, host: &Host) -> Config {
        let target = self.target;
        let mut config = Config::new();
        config.user(&target.user).dbname(&target.database);
        config.channel_binding(match target.channel_binding {
            ChannelBinding::Disable => TokioChannelBinding::Disable,
            ChannelBinding::Prefer => TokioChannelBinding::Prefer,
            ChannelBinding::Require => TokioChannelBinding::Require,
        });
        let found = || self.passfile.as_ref()?.find(host, &target.database, &target.user);
        if let Some(password) = target.password.clone().or_else(found) {
            config.password(Secret::expose(&password));
        }
        if !self.options.is_empty() {
            config.options(&self.options);
        }
        let own = Some(&self.session.application_name).filter(|name| !name.is_empty());
        if let Some(name) = own.or(target.application_name.as_ref()) {
            config.application_name(name);
        }
        config
    }
}

/// Would a connection without TLS perhaps be let in? A server may have TLS and still want none
/// of it from us (`hostnossl`).
fn is_about_tls(error: &ConnectError) -> bool {
    const NO_HBA_ENTRY: &str = "28000";
    match error {
        ConnectError::Tls { .. } => true,
        error => error.database_error().is_some_and(|error| error.sqlstate == NO_HBA_ENTRY),
    }
}

/// A session that forces its transactions to be read-only says nothing about its server then;
/// that it is no standby must do.
fn is_suitable(wanted: TargetSessionAttrs, standing: Standing, session: &SessionSettings) -> bool {
    let Standing { read_only, standby } = standing;
    let read_only = standby || (read_only && !session.forces_read_only());
    match wanted {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => true,
        TargetSessionAttrs::ReadWrite => !read_only,
        TargetSessionAttrs::ReadOnly => read_only,
        TargetSessionAttrs::Primary => !standby,
        TargetSessionAttrs::Standby => standby,
    }
}

fn login_error(endpoint: &Endpoint, failure: Failure) -> ConnectError {
    match failure {
        Failure::ReadAhead => {
            let reason = "it said more than a handshake".to_owned();
            ConnectError::Protocol { host: endpoint.label.clone(), reason }
        }
        Failure::Postgres(error) => postgres_error(endpoint, &error),
    }
}

/// What tokio-postgres said of a connection that did not come to be.
pub(crate) fn postgres_error(endpoint: &Endpoint, error: &tokio_postgres::Error) -> ConnectError {
    let host = endpoint.label.clone();
    if let Some(error) = error.as_db_error() {
        return ConnectError::Database { host, error: Box::new(DatabaseError::from(error)) };
    }
    if error.is_closed() {
        return endpoint.io_error(std::io::ErrorKind::UnexpectedEof.into());
    }
    let cause = error.source();
    if let Some(cause) = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()) {
        return endpoint.io_error(std::io::Error::new(cause.kind(), cause.to_string()));
    }
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    ConnectError::Authentication { host, reason: format!("{error}{cause}") }
}

fn prepare_error(endpoint: &Endpoint, error: WireError) -> ConnectError {
    let host = endpoint.label.clone();
    match error {
        WireError::Database(error) => ConnectError::Database { host, error },
        WireError::Io(source) => ConnectError::Io { host, source },
        WireError::Closed => endpoint.io_error(std::io::ErrorKind::UnexpectedEof.into()),
        WireError::Unsendable(reason) => ConnectError::SessionSettings(reason.to_string()),
        odd @ (WireError::Protocol(_) | WireError::TooLarge { .. }) => {
            ConnectError::Protocol { host, reason: odd.to_string() }
        }
    }
}
