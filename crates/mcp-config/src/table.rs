//! The one table of keys. It drives environment names, flags, defaults, masking, suggestions,
//! `config show`, the schema's extras and the reference page, so that they cannot disagree.
//!
//! A new section: a file in `section/` with its types and its `KEYS`, a field in
//! [`Config`](crate::Config), a line in [`SECTIONS`].

use crate::section::{
    audit, databases, http, log, mail, password_reset, passwords, smtp, state, users,
};
use crate::value::Kind;

/// The rows of every section, in the order in which they are shown.
pub(crate) const SECTIONS: [&[Key]; 10] = [
    http::KEYS,
    databases::KEYS,
    users::KEYS,
    passwords::KEYS,
    password_reset::KEYS,
    smtp::KEYS,
    mail::KEYS,
    audit::KEYS,
    state::KEYS,
    log::KEYS,
];

/// The most databases that one configuration may hold.
pub(crate) const MOST_DATABASES: usize = 100;

/// One key: what the types cannot say about it.
#[derive(Debug)]
pub(crate) struct Key {
    /// With `[]` where an index goes: `databases[].host`.
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    pub(crate) fallback: Fallback,
    /// Further names in the environment, as strong as `MCP_…`.
    pub(crate) aliases: &'static [&'static str],
    /// Names in the environment that are weaker than the file.
    pub(crate) ambient: &'static [&'static str],
    pub(crate) flag: Option<&'static str>,
    /// A second path in the file, which means the same.
    pub(crate) other_path: Option<&'static str>,
    pub(crate) reload: Reload,
    pub(crate) beside_url: BesideUrl,
}

/// What holds where nobody says anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fallback {
    /// This value, as a file would write it.
    Is(&'static str),
    /// A value worked out from others; the words for the reference page.
    Derived(&'static str),
    /// No value; what that means.
    Unset(&'static str),
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// At once, on a reload.
    Live,
    /// After a restart.
    Restart,
    /// After a restart; but what the file at that path holds is read again whenever it changes.
    Content,
}

/// How a key of a database goes with `url`, which says the same things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BesideUrl {
    /// Has nothing to do with it.
    Free,
    /// May stand beside a `url` of the same layer, and is dropped by one of a stronger layer:
    /// a password must not go to a server that somebody named later.
    Adds,
    /// Likewise dropped, and cannot stand beside one of the same layer.
    Instead,
}

impl Key {
    pub(crate) const fn new(path: &'static str, kind: Kind, fallback: Fallback) -> Self {
        Self {
            path,
            kind,
            fallback,
            aliases: &[],
            ambient: &[],
            flag: None,
            other_path: None,
            reload: Reload::Restart,
            beside_url: BesideUrl::Free,
        }
    }

    pub(crate) const fn aliases(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }

    pub(crate) const fn ambient(mut self, names: &'static [&'static str]) -> Self {
        self.ambient = names;
        self
    }

    pub(crate) const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    pub(crate) const fn also_in_files(mut self, path: &'static str) -> Self {
        self.other_path = Some(path);
        self
    }

    pub(crate) const fn reload(mut self, reload: Reload) -> Self {
        self.reload = reload;
        self
    }

    pub(crate) const fn beside_url(mut self, rule: BesideUrl) -> Self {
        self.beside_url = rule;
        self
    }

    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::SigningSecret)
    }

    /// The name in the environment that follows from the path, with `[]` as `0`.
    pub(crate) fn environment_name(&self) -> String {
        environment_form(&self.path.replace("[]", ".0"))
    }
}

/// `http.auth` → `MCP_HTTP_AUTH`.
pub(crate) fn environment_form(path: &str) -> String {
    format!("MCP_{}", path.replace('.', "_").to_ascii_uppercase())
}

/// A key of one configuration: its row, and which database it belongs to. Sorts as shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    section: usize,
    /// 0 for keys that have no index.
    pub(crate) index: usize,
    row: usize,
}

impl Place {
    pub(crate) fn key(self) -> &'static Key {
        &SECTIONS[self.section][self.row]
    }

    pub(crate) fn is_indexed(self) -> bool {
        self.key().path.contains("[]")
    }

    /// The path with its index: `databases[0].host`.
    pub(crate) fn path(self) -> String {
        self.key().path.replace("[]", &format!("[{}]", self.index))
    }

    /// The same key of another database.
    pub(crate) fn at(self, index: usize) -> Self {
        Self { index, ..self }
    }
}

/// A key that was looked up by one of its names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) place: Place,
    /// The name was that of a file which holds the secret.
    pub(crate) is_file: bool,
}

/// Every row once, with index 0.
pub(crate) fn places() -> impl Iterator<Item = Place> {
    SECTIONS.iter().enumerate().flat_map(|(section, rows)| {
        (0..rows.len()).map(move |row| Place { section, index: 0, row })
    })
}

/// The row of a key that the code itself names.
pub(crate) fn find_row(path: &str) -> Option<Place> {
    places().find(|place| place.key().path == path)
}

/// The row of a key, by either of its paths.
fn find_in_file(path: &str) -> Option<Place> {
    find_row(path).or_else(|| places().find(|place| place.key().other_path == Some(path)))
}

/// The key at a path with or without index: `http.address`, `databases[1].password_file`.
pub(crate) fn find(path: &str) -> Option<Found> {
    let (pattern, index) = without_index(path);
    let row = |path: &str| find_in_file(path).filter(|place| place.is_indexed() == index.is_some());
    let found = |place: Place, is_file| Found { place: place.at(index.unwrap_or(0)), is_file };
    if let Some(place) = row(&pattern) {
        return Some(found(place, false));
    }
    let secret = row(pattern.strip_suffix("_file")?)?;
    secret.key().is_secret().then(|| found(secret, true))
}

/// Do keys stand below this path? `http.auth`, `databases[]`.
pub(crate) fn is_section(pattern: &str) -> bool {
    let is_below =
        |path: &str| path.strip_prefix(pattern).is_some_and(|rest| rest.starts_with(['.', '[']));
    let key = |place: Place| std::iter::once(place.key().path).chain(place.key().other_path);
    places().flat_map(key).any(is_below)
}

/// The valid name that is nearest to a path, if one is near: a key or a section.
pub(crate) fn nearest(path: &str) -> Option<String> {
    let (pattern, index) = without_index(path);
    let names = names();
    let near = |name: &&String| {
        let distance = strsim::osa_distance(name, &pattern);
        distance <= 3 && distance * 3 <= pattern.len()
    };
    let by_spelling =
        || names.iter().filter(near).min_by_key(|name| strsim::osa_distance(name, &pattern));
    let ending_in = |tail: &str| {
        let end = format!(".{tail}");
        names.iter().find(|name| name.ends_with(&end))
    };
    let tail = pattern.rsplit('.').next().unwrap_or(&pattern);
    // A level left out (`auth.enabled` at the top), a slip of the pen, the wrong section.
    let found = ending_in(&pattern)
        .filter(|_| tail != pattern)
        .or_else(by_spelling)
        .or_else(|| ending_in(tail))?;
    Some(found.replace("[]", &format!("[{}]", index.unwrap_or(0))))
}

/// Every key, every section, and the `_file` form of every secret.
fn names() -> Vec<String> {
    let mut names = Vec::new();
    for key in places().map(Place::key) {
        for (dot, _) in key.path.match_indices('.') {
            let section = key.path[..dot].trim_end_matches("[]").to_owned();
            if !names.contains(&section) {
                names.push(section);
            }
        }
        names.push(key.path.to_owned());
        if key.is_secret() {
            names.push(format!("{}_file", key.path));
        }
    }
    names
}

/// `databases[3].host` → (`databases[].host`, 3).
fn without_index(path: &str) -> (String, Option<usize>) {
    let parts = path.split_once('[').and_then(|(before, rest)| {
        let (index, after) = rest.split_once(']')?;
        let digits = !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
        Some((before, digits.then(|| index.parse().ok())??, after))
    });
    match parts {
        Some((before, index, after)) => (format!("{before}[]{after}"), Some(index)),
        None => (path.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_keys_share_a_path_or_a_name_in_the_environment() {
        let mut seen = HashSet::new();
        for key in places().map(Place::key) {
            assert!(seen.insert(key.path.to_owned()), "{}", key.path);
            let own = std::iter::once(key.environment_name());
            let others = key.aliases.iter().chain(key.ambient).map(|name| (*name).to_owned());
            for name in own.chain(others) {
                assert!(seen.insert(name.clone()), "{name}");
                assert!(!key.is_secret() || seen.insert(format!("{name}_FILE")), "{name}_FILE");
            }
        }
    }

    #[test]
    fn every_default_is_a_value_that_its_key_accepts() {
        for key in places().map(Place::key) {
            if let Fallback::Is(text) = key.fallback {
                assert!(key.kind.parse(text).is_some(), "{}: {text}", key.path);
            }
        }
    }

    #[test]
    fn the_nearest_key_is_found_by_spelling_and_by_its_last_word() {
        for (wrong, right) in [
            ("http.auht", "http.auth"),
            ("htpp.enabled", "http.enabled"),
            ("http.auth.tokenfile", "http.auth.token_file"),
            ("auth.enabled", "http.auth.enabled"),
            ("token_file", "http.auth.token_file"),
            ("databases[2].hots", "databases[2].host"),
            ("databases[1].password-file", "databases[1].password_file"),
            ("database", "databases"),
        ] {
            assert_eq!(nearest(wrong).as_deref(), Some(right), "{wrong}");
        }
        assert_eq!(nearest("completely.different"), None);
    }
}
