//! `.pgpass` (PostgreSQL docs, "The Password File").

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::target::{Host, HostAddress};

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Lines of `host:port:database:user:password`; `*` in one of the first four matches anything,
/// and a backslash takes the meaning from the character behind it. The first match counts.
pub struct PassFile(Zeroizing<String>);

impl PassFile {
    /// Takes the text of such a file.
    #[must_use]
    pub fn parse(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Reads the file. `None`: there is none, which is no error.
    pub fn read(path: &Path) -> Result<Option<Self>, PassFileError> {
        let failed = |source| PassFileError::Io { path: path.to_owned(), source };
        // A FIFO in its place must not hold us up.
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = match File::options().read(true).custom_flags(nonblocking).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        // Of the opened file: the path may mean another one by now.
        let found = file.metadata().map_err(failed)?;
        Self::check(path, &found)?;
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
        Ok(Some(Self(text)))
    }

    fn check(path: &Path, found: &fs::Metadata) -> Result<(), PassFileError> {
        const GROUP_AND_WORLD: u32 = 0o077;
        let path = path.to_owned();
        if !found.is_file() || found.len() > MAX_BYTES {
            return Err(PassFileError::NotAFile { path });
        }
        if found.mode() & GROUP_AND_WORLD != 0 {
            return Err(PassFileError::TooOpen { path });
        }
        Ok(())
    }

    /// The password for a role in a database on a host. A Unix socket goes by its directory or
    /// by `localhost`.
    #[must_use]
    pub fn find(&self, host: &Host, database: &str, user: &str) -> Option<Secret> {
        let (host_names, port) = (names_of(&host.address), host.port.to_string());
        self.0.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let [host, line_port, line_database, line_user, password] = fields(line)?;
            let host_fits = host_names.iter().any(|name| host.matches(name));
            let rest_fits = line_port.matches(&port)
                && line_database.matches(database)
                && line_user.matches(user);
            (host_fits && rest_fits).then(|| Secret::new(password.text.to_string()))
        })
    }
}

/// Why a password file was refused.
#[derive(Debug, thiserror::Error)]
pub enum PassFileError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a directory, a device, or over 1 MiB.
    #[error("{}: not a plain file of at most 1 MiB", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("{}: group or others have access; hint: chmod 0600 it", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
    },
}

/// A field with its escapes resolved; `*` is a wildcard only if it was not escaped.
struct Field {
    text: Zeroizing<String>,
    any: bool,
}

impl Field {
    fn matches(&self, text: &str) -> bool {
        self.any || self.text.as_str() == text
    }
}

fn fields(line: &str) -> Option<[Field; 5]> {
    let mut rest = line;
    let mut field = |last: bool| {
        let mut text = Zeroizing::new(String::new());
        let mut chars = rest.char_indices();
        let mut end = None;
        while let Some((place, c)) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                ':' if !last => {
                    end = Some(place);
                    break;
                }
                c => text.push(c),
            }
        }
        let raw = &rest[..end.unwrap_or(rest.len())];
        let any = raw == "*";
        rest = end.map_or("", |end| &rest[end + 1..]);
        // All but the last must have a colon behind them.
        (last || end.is_some()).then_some(Field { text, any })
    };
    Some([field(false)?, field(false)?, field(false)?, field(false)?, field(true)?])
}

fn names_of(address: &HostAddress) -> Vec<String> {
    match address {
        HostAddress::Tcp(name) => vec![name.clone()],
        HostAddress::Unix(dir) => vec![dir.to_string_lossy().into_owned(), "localhost".into()],
    }
}
