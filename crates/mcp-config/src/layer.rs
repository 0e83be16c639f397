//! What one source says: settings by place, no key twice.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::error::{ConfigError, Fault, quoted};
use crate::origin::{Layer, Origin, Setting};
use crate::table::{Found, Key, Place};
use crate::value::{Kind, Value};

/// The longest secret that a file may hold, in bytes.
const LONGEST_SECRET: u64 = 64 << 10;

pub(crate) type Settings = BTreeMap<Place, Setting>;

/// Adds a value under one of its names.
///
/// # Errors
/// The key already has another value in this layer.
pub(crate) fn put(
    settings: &mut Settings,
    place: Place,
    setting: Setting,
) -> Result<(), ConfigError> {
    match settings.get(&place) {
        Some(first) if first.value != setting.value => {
            let fault = Fault::Conflict { other: first.origin.clone() };
            let error = ConfigError::new(setting.origin, Some(place.path()), fault);
            Err(error.with_hint("two names of one key must agree: keep one of them"))
        }
        Some(_) => Ok(()),
        None => {
            settings.insert(place, setting);
            Ok(())
        }
    }
}

/// Reads a value that a flag or the environment gives as text.
pub(crate) fn put_text(
    settings: &mut Settings,
    found: Found,
    text: &str,
    (origin, layer): (Origin, Layer),
) -> Result<(), ConfigError> {
    let key = found.place.key();
    let value = if found.is_file {
        secret_in(key, Path::new(text))
    } else {
        key.kind.parse(text).ok_or_else(|| bad_value(key, Some(quoted(text))))
    };
    match value {
        Ok(value) => put(settings, found.place, Setting { value, origin, layer }),
        Err(fault) => Err(ConfigError::new(origin, Some(found.place.path()), fault)),
    }
}

/// The fault of a value that its key does not accept. Never repeats a secret.
pub(crate) fn bad_value(key: &Key, found: Option<String>) -> Fault {
    let found = found.filter(|_| !key.is_secret());
    Fault::BadValue { accepted: key.kind.to_string(), found }
}

/// The secret in a file, without the newline at its end.
pub(crate) fn secret_in(key: &Key, path: &Path) -> Result<Value, Fault> {
    let unusable = |reason: String| Fault::SecretFile { path: path.to_owned(), reason };
    let text = read_bounded(path, LONGEST_SECRET).map_err(|fault| unusable(fault.to_string()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    key.kind.parse(text).ok_or_else(|| match key.kind {
        Kind::SigningSecret => unusable(format!("expected {}", key.kind)),
        _ => unusable("it is empty, or not text".into()),
    })
}

/// Reads a file of UTF-8 that is not larger than `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<String, Fault> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::NotFound,
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::IsADirectory => {
            Fault::Unreadable(error.to_string())
        }
        _ => Fault::Broken(error.to_string()),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    // One byte more than allowed tells a full file from one that is too large, whatever its
    // length claims to be (a pipe has none).
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Fault::TooLarge(limit));
    }
    String::from_utf8(bytes).map_err(|_| Fault::Unreadable("it is not UTF-8".into()))
}
