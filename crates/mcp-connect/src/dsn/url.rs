//! `postgresql://user:password@host:port,host/database?name=value`: the URL form (PostgreSQL
//! docs, "Connection URIs").

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::DsnError;
use super::parameter::Parameter;

type Pairs = Vec<(Parameter, Zeroizing<String>)>;

const NOT_ENCODED: DsnError = DsnError::Malformed {
    reason: "a / ? @ or & in the user or password is not percent-encoded (write %2F %3F %40 %26)",
};

/// What follows the scheme, if the text has one of ours.
pub(super) fn rest_of_url(dsn: &str) -> Option<&str> {
    dsn.strip_prefix("postgresql://").or_else(|| dsn.strip_prefix("postgres://"))
}

/// The parts of a URL, still encoded.
pub(super) struct Parts<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
    pub(super) query: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn split(rest: &'a str) -> Self {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(end);
        // The last @, so that one in a password, though it should be encoded, is not taken for
        // the beginning of the host.
        let (user_info, hosts) = match authority.rsplit_once('@') {
            Some((user_info, hosts)) => (Some(user_info), hosts),
            None => (None, authority),
        };
        let (user, password) = match user_info.map(|info| (info, info.split_once(':'))) {
            Some((_, Some((user, password)))) => (Some(user), Some(password)),
            Some((user, None)) => (Some(user), None),
            None => (None, None),
        };
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let database = path.strip_prefix('/').unwrap_or(path);
        Self { user, password, hosts, database, query }
    }

    /// An @ behind the authority, and none in it: most likely the authority was cut by a
    /// password, and what looks like a host or a parameter is a part of that.
    fn may_be_cut(&self) -> bool {
        self.user.is_none() && (self.database.contains('@') || self.query.contains('@'))
    }
}

pub(super) fn parse(rest: &str) -> Result<Pairs, DsnError> {
    let parts = Parts::split(rest);
    pairs(&parts).map_err(|error| if parts.may_be_cut() { NOT_ENCODED } else { error })
}

fn pairs(parts: &Parts<'_>) -> Result<Pairs, DsnError> {
    let mut found = Vec::new();
    let mut push = |parameter, encoded: &str| {
        if !encoded.is_empty() {
            found.push((parameter, decode(encoded)?));
        }
        Ok(())
    };
    push(Parameter::User, parts.user.unwrap_or_default())?;
    push(Parameter::Password, parts.password.unwrap_or_default())?;
    push(Parameter::Dbname, parts.database)?;
    if !parts.hosts.is_empty() {
        let (names, numbers) = split_hosts(parts.hosts)?;
        push(Parameter::Host, &names)?;
        push(Parameter::Port, &numbers)?;
    }
    let mut after_password = false;
    for pair in parts.query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or(DsnError::Malformed { reason: "a parameter behind the ? has no =" })?;
        // libpq takes what JDBC writes for it, too.
        if pair == "ssl=true" {
            push(Parameter::Sslmode, "require")?;
            continue;
        }
        // An unknown name may be what follows an & in a password: it is not repeated then.
        let hidden = |error| if after_password { NOT_ENCODED } else { error };
        let parameter = Parameter::parse(&decode(name)?).map_err(hidden)?;
        after_password = parameter == Parameter::Password;
        push(parameter, value)?;
    }
    Ok(found)
}

/// `a:1,[::1]:2,c` as the values of `host` and `port`: `a,::1,c` and `1,2,`.
fn split_hosts(hosts: &str) -> Result<(String, String), DsnError> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(literal) => {
                let (name, rest) = literal
                    .split_once(']')
                    .ok_or(DsnError::Malformed { reason: "an IPv6 address has no ] behind it" })?;
                let port = rest.strip_prefix(':');
                if port.is_none() && !rest.is_empty() {
                    return Err(DsnError::Malformed { reason: "only :port may follow a ]" });
                }
                (name, port)
            }
            None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
        };
        names.push(name);
        ports.push(port.unwrap_or_default());
    }
    Ok((names.join(","), ports.join(",")))
}

fn decode(text: &str) -> Result<Zeroizing<String>, DsnError> {
    const BAD: DsnError = DsnError::Malformed {
        reason: "a % is not followed by two hex digits (a % itself is written %25)",
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).ok_or(BAD);
        let code = digit()? * 16 + digit()?;
        // A zero byte would cut the text on its way through the protocol.
        bytes.push(u8::try_from(code).ok().filter(|code| *code != 0).ok_or(BAD)?);
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| DsnError::Malformed { reason: "percent-encoded bytes are not UTF-8" })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Encodes everything but letters, digits and `-._~`.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
