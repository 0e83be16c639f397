//! The parameters that are known.

use super::DsnError;

macro_rules! parameters {
    ($($variant:ident = $name:literal / $variable:literal),+ $(,)?) => {
        /// A connection parameter of libpq, and the variable that stands in for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Parameter { $($variant),+ }

        impl Parameter {
            pub(super) const ALL: &[Self] = &[$(Self::$variant),+];

            /// Finds a parameter by libpq's name for it. Unknown ones are refused: one that was
            /// misspelt must not silently mean "no TLS".
            pub(super) fn parse(name: &str) -> Result<Self, DsnError> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(DsnError::UnknownParameter { name: name.to_owned() }),
                }
            }

            pub(super) fn variable(self) -> &'static str {
                match self { $(Self::$variant => $variable),+ }
            }
        }
    };
}

parameters! {
    Host = "host" / "PGHOST",
    Port = "port" / "PGPORT",
    Dbname = "dbname" / "PGDATABASE",
    User = "user" / "PGUSER",
    Password = "password" / "PGPASSWORD",
    Passfile = "passfile" / "PGPASSFILE",
    Sslmode = "sslmode" / "PGSSLMODE",
    Sslrootcert = "sslrootcert" / "PGSSLROOTCERT",
    Sslcert = "sslcert" / "PGSSLCERT",
    Sslkey = "sslkey" / "PGSSLKEY",
    ChannelBinding = "channel_binding" / "PGCHANNELBINDING",
    TargetSessionAttrs = "target_session_attrs" / "PGTARGETSESSIONATTRS",
    ConnectTimeout = "connect_timeout" / "PGCONNECT_TIMEOUT",
    ApplicationName = "application_name" / "PGAPPNAME",
    Options = "options" / "PGOPTIONS",
}
