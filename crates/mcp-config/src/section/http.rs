//! `http`: the HTTP transport, and who may use it.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::address::{ListenAddress, Network, is_host, is_origin, is_public_url};
use crate::secret::Secret;
use crate::table::Fallback::{Derived, Is, Unset};
use crate::table::{Key, Reload};
use crate::value::{DurationText, Kind, SizeText};

const ADDRESS: Kind = Kind::Text {
    accepted: "HOST:PORT, or :PORT for every interface",
    check: |text| ListenAddress::parse(text).is_some(),
};
const PUBLIC_URL: Kind = Kind::Text {
    accepted: "an address like https://mcp.example.com, without user, query or fragment",
    check: is_public_url,
};
const ORIGINS: Kind =
    Kind::List { accepted: "a list of origins like https://app.example.com", check: is_origin };
const HOSTS: Kind =
    Kind::List { accepted: "a list of host names, each with or without a port", check: is_host };
const NETWORKS: Kind = Kind::List {
    accepted: "a list of addresses or networks like 10.0.0.0/8",
    check: |text| Network::parse(text).is_some(),
};
const CLAIM: Kind =
    Kind::Text { accepted: "one line of at most 256 bytes", check: |text| text.len() <= 256 };
const MINUTES: Kind = Kind::Integer { min: 0, max: 525_600 };
const PATIENCE: Kind = Kind::Duration { min_ms: 100, max_ms: 3_600_000 };

pub(crate) const KEYS: &[Key] = &[
    Key::new("http.enabled", Kind::Bool, Is("false")).flag("--http"),
    Key::new("http.address", ADDRESS, Is("127.0.0.1:8080")).flag("--addr"),
    Key::new("http.public_url", PUBLIC_URL, Derived("`http://localhost:<port>`, https with TLS"))
        .aliases(&["APP_URL"]),
    Key::new("http.allowed_origins", ORIGINS, Unset("loopback")),
    Key::new("http.allowed_hosts", HOSTS, Unset("loopback, the address, the public URL's host")),
    Key::new("http.trusted_proxies", NETWORKS, Unset("none")),
    Key::new("http.tls.enabled", Kind::Bool, Is("false")).flag("--tls"),
    Key::new("http.tls.cert_file", Kind::Path, Unset("none"))
        .flag("--cert")
        .reload(Reload::Content),
    Key::new("http.tls.key_file", Kind::Path, Unset("none")).flag("--key").reload(Reload::Content),
    Key::new("http.tls.chain_file", Kind::Path, Unset("none"))
        .flag("--chain")
        .reload(Reload::Content),
    Key::new("http.limits.max_connections", Kind::Integer { min: 1, max: 1_000_000 }, Is("1024")),
    Key::new("http.limits.max_body_bytes", Kind::Size { min: 1 << 10, max: 1 << 26 }, Is("1MiB")),
    Key::new("http.limits.header_timeout", PATIENCE, Is("10s")),
    Key::new("http.limits.body_timeout", PATIENCE, Is("30s")),
    Key::new("http.limits.idle_timeout", PATIENCE, Is("120s")),
    Key::new("http.limits.drain_lead", Kind::Duration { min_ms: 0, max_ms: 600_000 }, Is("0s")),
    Key::new(
        "http.limits.drain_timeout",
        Kind::Duration { min_ms: 0, max_ms: 3_600_000 },
        Is("30s"),
    ),
    Key::new("http.auth.enabled", Kind::Bool, Is("true"))
        .aliases(&["PGEDGE_AUTH_ENABLED"])
        .flag("--no-auth"),
    Key::new(
        "http.auth.token_file",
        Kind::Path,
        Derived("`mcp-server-tokens.yaml` beside the binary"),
    )
    .flag("--token-file")
    .reload(Reload::Content),
    Key::new(
        "http.auth.user_file",
        Kind::Path,
        Derived("`mcp-server-users.yaml` beside the binary"),
    )
    .flag("--user-file")
    .reload(Reload::Content),
    Key::new(
        "http.auth.rate_limit_window_minutes",
        Kind::Integer { min: 1, max: 10_080 },
        Is("15"),
    )
    .aliases(&["PGEDGE_AUTH_RATE_LIMIT_WINDOW_MINUTES"]),
    Key::new("http.auth.rate_limit_max_attempts", Kind::Integer { min: 1, max: 10_000 }, Is("10"))
        .aliases(&["PGEDGE_AUTH_RATE_LIMIT_MAX_ATTEMPTS"]),
    Key::new(
        "http.auth.max_failed_attempts_before_lockout",
        Kind::Integer { min: 0, max: 10_000 },
        Derived("`0`; `5` where PostgreSQL keeps the users"),
    )
    .aliases(&["PGEDGE_AUTH_MAX_FAILED_ATTEMPTS_BEFORE_LOCKOUT", "MAX_FAILED_LOGIN_ATTEMPTS"]),
    Key::new(
        "http.auth.lockout_duration_minutes",
        MINUTES,
        Derived("`0`; `15` where PostgreSQL keeps the users"),
    )
    .aliases(&["ACCOUNT_LOCKOUT_DURATION_MINUTES"]),
    Key::new("http.auth.lockout_notification", Kind::Bool, Is("true"))
        .aliases(&["ACCOUNT_LOCKOUT_NOTIFICATION_ENABLED"]),
    Key::new("http.auth.session_ttl_hours", Kind::Integer { min: 1, max: 8_760 }, Is("24"))
        .aliases(&["JWT_EXPIRY_HOURS"]),
    Key::new("http.auth.session_idle_minutes", MINUTES, Is("0")),
    Key::new("http.auth.max_sessions_per_user", Kind::Integer { min: 0, max: 100_000 }, Is("0")),
    Key::new("http.auth.public_registration", Kind::Bool, Is("false"))
        .aliases(&["PUBLIC_REGISTRATION_ENABLED"]),
    Key::new("http.auth.jwt_secret", Kind::SigningSecret, Unset("none: tokens of random bytes"))
        .aliases(&["JWT_SECRET"]),
    Key::new("http.auth.jwt_issuer", CLAIM, Derived("`http.public_url`")),
    Key::new("http.auth.jwt_audience", CLAIM, Is("mcp-server")),
    Key::new("http.auth.bearer_failures", Kind::Integer { min: 1, max: 100_000 }, Is("100")),
    Key::new("http.auth.bearer_window_minutes", Kind::Integer { min: 1, max: 10_080 }, Is("1")),
];

/// The HTTP transport, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Listen for HTTP; otherwise MCP is spoken on standard input and output.
    pub enabled: bool,
    /// Where to listen: `HOST:PORT`, or `:PORT` for every interface.
    ///
    /// Already checked: [`listen_address`](Self::listen_address) reads it.
    pub address: String,
    /// The base of every link that is sent to a person.
    pub public_url: String,
    /// Origins of browser pages that may call.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// Names under which the server may be addressed.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    /// Proxies whose word about the client's address is believed.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Network>,
    /// Encryption of the connections themselves.
    pub tls: TlsConfig,
    /// What one client may cost.
    pub limits: HttpLimits,
    /// Who is let in.
    pub auth: HttpAuthConfig,
}

impl HttpConfig {
    /// [`address`](Self::address), taken apart. `None` never happens to a loaded configuration,
    /// whose address was checked.
    #[must_use]
    pub fn listen_address(&self) -> Option<ListenAddress> {
        ListenAddress::parse(&self.address)
    }
}

/// Encryption of the connections themselves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Accept TLS 1.2 and 1.3 only; needs the certificate and its key.
    pub enabled: bool,
    /// The certificate, PEM.
    pub cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub key_file: Option<PathBuf>,
    /// The certificates between the server's own and the root, PEM.
    pub chain_file: Option<PathBuf>,
}

/// What one client may cost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpLimits {
    /// Connections open at once; further ones wait.
    pub max_connections: usize,
    /// The largest request body of a caller with a credential.
    #[schemars(with = "SizeText")]
    pub max_body_bytes: u64,
    /// How long a client may take to send the header of a request.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub header_timeout: Duration,
    /// How long a client may take to send the whole body.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub body_timeout: Duration,
    /// How long a connection may lie idle between two requests.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub idle_timeout: Duration,
    /// How long requests are still taken after the server was told to stop, while `/ready` says
    /// 503: for a load balancer to notice.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub drain_lead: Duration,
    /// How long running requests may go on once no more are taken.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub drain_timeout: Duration,
}

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpAuthConfig {
    /// Ask every caller for a credential.
    pub enabled: bool,
    /// The file of API tokens.
    pub token_file: PathBuf,
    /// The file of user accounts.
    pub user_file: PathBuf,
    /// The time over which failed logins of one address are counted, in minutes.
    pub rate_limit_window_minutes: u32,
    /// Failed logins of one address that are allowed within that time.
    pub rate_limit_max_attempts: u32,
    /// Failed logins in a row that lock an account; 0 locks none.
    pub max_failed_attempts_before_lockout: u32,
    /// How long a lock lasts, in minutes; 0 until an administrator unlocks.
    pub lockout_duration_minutes: u32,
    /// Tell the owner of an account by mail that it was locked, at most once an hour.
    pub lockout_notification: bool,
    /// How long a login session lasts, in hours.
    pub session_ttl_hours: u32,
    /// After so many minutes without a use a session is over; 0: never for that.
    pub session_idle_minutes: u32,
    /// Sessions that a user may have at a time; 0: any number. One more ends the oldest.
    pub max_sessions_per_user: u32,
    /// Let strangers make accounts for themselves; they read, and reach no database.
    pub public_registration: bool,
    /// Answer a login over REST with a JSON Web Token that is signed with this.
    ///
    /// 32 bytes or more: already checked. Without it, every session token is random bytes.
    pub jwt_secret: Option<Secret>,
    /// The issuer in those tokens (`iss`).
    pub jwt_issuer: String,
    /// The audience in them (`aud`).
    pub jwt_audience: String,
    /// Bad tokens that one address may present within the time below.
    pub bearer_failures: u32,
    /// The time over which bad tokens of one address are counted, in minutes.
    pub bearer_window_minutes: u32,
}
