//! The text forms of a target, as libpq has them.
//!
//! Every form ends in the same pairs of parameter and value; [`TargetBuilder`] collects them and
//! checks them once.

mod key_value;
mod mask;
mod parameter;
pub(crate) mod passfile;
mod url;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use mask::masked;
use parameter::Parameter;
pub(crate) use url::percent_encoded;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::target::{
    ChannelBinding, Host, HostAddress, RootCertificates, SslMode, Target, TargetSessionAttrs,
};

/// Where nothing is said, as in libpq on systems without Unix sockets.
const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 5432;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a target was refused. Never shows a value: any of them may be part of a password that
/// somebody did not encode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    /// Not a parameter, or none that is supported.
    #[error("unknown connection parameter {name:?}")]
    UnknownParameter {
        /// Its name, as it was given.
        name: String,
    },
    /// The text has no form.
    #[error("malformed connection string: {reason}")]
    Malformed {
        /// What is wrong, and what to do.
        reason: &'static str,
    },
    /// A parameter's value is not one that it can have.
    #[error("{name}: expected {expected}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What it can have.
        expected: &'static str,
    },
    /// Something is needed and not there.
    #[error("{name} is missing: {hint}")]
    Missing {
        /// The parameter.
        name: &'static str,
        /// What to do.
        hint: &'static str,
    },
}

/// Collects the parameters of a [`Target`]. A later value replaces an earlier one, but for those
/// from the environment, which only fill gaps.
#[derive(Clone, Default)]
pub struct TargetBuilder {
    values: BTreeMap<Parameter, Zeroizing<String>>,
}

impl TargetBuilder {
    /// Takes what a DSN says: `postgres://`, `postgresql://`, or `key=value` pairs.
    pub fn dsn(mut self, dsn: &str) -> Result<Self, DsnError> {
        let pairs = match url::rest_of_url(dsn) {
            Some(rest) => url::parse(rest)?,
            None => key_value::parse(dsn)?,
        };
        for (parameter, value) in pairs {
            self.values.insert(parameter, value);
        }
        Ok(self)
    }

    /// Sets one parameter by libpq's name for it: `host`, `port`, `dbname`, `user`, `password`,
    /// `passfile`, `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `channel_binding`,
    /// `target_session_attrs`, `connect_timeout`, `application_name`, `options`.
    pub fn set(mut self, name: &str, value: &str) -> Result<Self, DsnError> {
        let parameter = Parameter::parse(name)?;
        self.values.insert(parameter, Zeroizing::new(value.to_owned()));
        Ok(self)
    }

    /// Fills gaps from `PG*` variables, as libpq does, and ignores all others. Empty ones count
    /// as unset.
    #[must_use]
    pub fn environment(mut self, variables: &BTreeMap<String, String>) -> Self {
        for &parameter in Parameter::ALL {
            let value = variables.get(parameter.variable()).filter(|value| !value.is_empty());
            if let Some(value) = value {
                self.values.entry(parameter).or_insert_with(|| Zeroizing::new(value.clone()));
            }
        }
        self
    }

    /// Checks everything and makes the target.
    pub fn build(self) -> Result<Target, DsnError> {
        let user = self.get(Parameter::User).ok_or(DsnError::Missing {
            name: "user",
            hint: "name the PostgreSQL role that logs in",
        })?;
        let target = Target {
            hosts: self.hosts()?,
            database: self.get(Parameter::Dbname).unwrap_or(user).to_owned(),
            user: user.to_owned(),
            password: self.get(Parameter::Password).map(|text| Secret::new(text.to_owned())),
            passfile: self.path(Parameter::Passfile),
            sslmode: self.sslmode()?,
            sslrootcert: self.root_certificates()?,
            sslcert: self.path(Parameter::Sslcert),
            sslkey: self.path(Parameter::Sslkey),
            channel_binding: self.word(Parameter::ChannelBinding, ChannelBinding::parse)?,
            target_session_attrs: self
                .word(Parameter::TargetSessionAttrs, TargetSessionAttrs::parse)?,
            connect_timeout: self.connect_timeout()?,
            application_name: self.get(Parameter::ApplicationName).map(str::to_owned),
            options: self.get(Parameter::Options).map(str::to_owned),
        };
        if target.sslcert.is_some() != target.sslkey.is_some() {
            let (name, hint) = ("sslkey", "sslcert and sslkey go together");
            return Err(DsnError::Missing { name, hint });
        }
        Ok(target)
    }

    /// The value, unless it is empty, which counts as unset.
    fn get(&self, parameter: Parameter) -> Option<&str> {
        self.values.get(&parameter).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }

    fn path(&self, parameter: Parameter) -> Option<PathBuf> {
        self.get(parameter).map(PathBuf::from)
    }

    fn word<T: Default>(
        &self,
        parameter: Parameter,
        parse: fn(&str) -> Result<T, DsnError>,
    ) -> Result<T, DsnError> {
        self.get(parameter).map_or_else(|| Ok(T::default()), parse)
    }

    fn hosts(&self) -> Result<Vec<Host>, DsnError> {
        let ports = self.ports()?;
        let names: Vec<_> = self.get(Parameter::Host).unwrap_or_default().split(',').collect();
        if ports.len() > 1 && ports.len() != names.len() {
            return Err(DsnError::Value {
                name: "port",
                expected: "one port for all hosts, or as many ports as hosts",
            });
        }
        let host = |(place, name): (usize, &&str)| {
            let port = ports.get(place).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
            Ok(Host { address: host_address(name)?, port })
        };
        names.iter().enumerate().map(host).collect()
    }

    fn ports(&self) -> Result<Vec<u16>, DsnError> {
        let parse = |text: &str| {
            match text {
            "" => Ok(DEFAULT_PORT),
            text => text.parse().ok().filter(|port| *port != 0).ok_or(DsnError::Value {
                name: "port",
                expected: "a number from 1 to 65535 (is a password in front of it not percent-encoded?)",
            }),
        }
        };
        self.get(Parameter::Port).unwrap_or_default().split(',').map(parse).collect()
    }

    fn sslmode(&self) -> Result<SslMode, DsnError> {
        if self.get(Parameter::Sslmode) == Some("allow") {
            let expected = "not allow, which sends data in the clear where it need not; \
                            use prefer or require";
            return Err(DsnError::Value { name: "sslmode", expected });
        }
        self.word(Parameter::Sslmode, SslMode::parse)
    }

    fn root_certificates(&self) -> Result<Option<RootCertificates>, DsnError> {
        match (self.get(Parameter::Sslrootcert), self.sslmode()?) {
            // Anybody can get a certificate from an authority that all the world trusts.
            (Some("system") | None, SslMode::VerifyFull) => Ok(Some(RootCertificates::System)),
            (Some("system"), _) => Err(DsnError::Value {
                name: "sslmode",
                expected: "verify-full, because of sslrootcert=system",
            }),
            (None, SslMode::VerifyCa) => Err(DsnError::Missing {
                name: "sslrootcert",
                hint: "verify-ca needs the certificate of the authority",
            }),
            (file, _) => Ok(file.map(|file| RootCertificates::File(file.into()))),
        }
    }

    fn connect_timeout(&self) -> Result<Duration, DsnError> {
        const LONGEST: u64 = 3600;
        let Some(text) = self.get(Parameter::ConnectTimeout) else {
            return Ok(DEFAULT_CONNECT_TIMEOUT);
        };
        let seconds = text.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
        seconds.map(Duration::from_secs).ok_or(DsnError::Value {
            name: "connect_timeout",
            expected: "a number of seconds from 1 to 3600",
        })
    }
}

fn host_address(name: &str) -> Result<HostAddress, DsnError> {
    match name {
        "" => Ok(HostAddress::Tcp(DEFAULT_HOST.to_owned())),
        dir if dir.starts_with('/') => Ok(HostAddress::Unix(dir.into())),
        hostile if hostile.contains(['@', '/', '\0']) || hostile.contains(char::is_whitespace) => {
            Err(DsnError::Value {
                name: "host",
                expected: "a name, an address, or the directory of a socket \
                           (is a password in front of it not percent-encoded?)",
            })
        }
        name => Ok(HostAddress::Tcp(name.to_owned())),
    }
}
