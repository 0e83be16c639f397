//! The environment as two layers: the names that are ours, and those that happen to be there.

use std::collections::BTreeMap;

use crate::error::{ConfigError, Fault};
use crate::layer::{self, Settings};
use crate::origin::{Layer, Origin};
use crate::table::{self, Found, MOST_DATABASES, Place};

/// What the names that are ours say. An empty value counts as none, as `NAME=` in a unit file
/// or a compose file means.
///
/// A name below one of our sections that is no key is an error, since a misspelt
/// `MCP_HTTP_AUTH_…` must not silently change nothing. Other `MCP_…` names belong to other
/// programs (an MCP client sets some for the servers that it starts).
pub(crate) fn ours(environment: &BTreeMap<String, String>) -> Result<Settings, ConfigError> {
    let names = names(|place| {
        let key = place.key();
        let canonical = std::iter::once(key.environment_name());
        canonical.chain(key.aliases.iter().map(|name| (*name).to_owned())).collect()
    });
    let mut settings = Settings::new();
    for (name, text) in environment.iter().filter(|(_, text)| !text.is_empty()) {
        let (first, index) = split_index(name);
        let found = names.get(&first).filter(|found| found.place.is_indexed() || index.is_none());
        let origin = Origin::Environment(name.clone());
        match found {
            Some(found) => {
                let place = found.place.at(index.unwrap_or(0));
                let found = Found { place, ..*found };
                layer::put_text(&mut settings, found, text, (origin, Layer::Environment))?;
            }
            None if is_claimed(name) => return Err(unknown(origin, name, &names)),
            None => {}
        }
    }
    Ok(settings)
}

/// What the surroundings say: `STATE_DIRECTORY`, and `PG*` for the first database unless the
/// file names one.
pub(crate) fn ambient(
    environment: &BTreeMap<String, String>,
    file_names_a_database: bool,
) -> Result<Settings, ConfigError> {
    let names = names(|place| place.key().ambient.iter().map(|name| (*name).to_owned()).collect());
    let mut settings = Settings::new();
    for (name, found) in names {
        let unused = found.place.is_indexed() && file_names_a_database;
        let Some(text) = environment.get(&name).filter(|text| !text.is_empty() && !unused) else {
            continue;
        };
        // systemd joins several state directories with colons (systemd.exec(5)); the first is
        // the one that the unit names first.
        let text = match name.as_str() {
            "STATE_DIRECTORY" => text.split(':').next().unwrap_or(text),
            _ => text,
        };
        let origin = Origin::Environment(name);
        layer::put_text(&mut settings, found, text, (origin, Layer::Ambient))?;
    }
    Ok(settings)
}

/// How many databases there are once the environment is heard: it may add to those of the file,
/// one after the other.
pub(crate) fn count_databases(settings: &Settings, in_file: usize) -> Result<usize, ConfigError> {
    // There is always one: see `load`.
    let mut count = in_file.max(1);
    for (place, setting) in settings.iter().filter(|(place, _)| place.is_indexed()) {
        if place.index > count || place.index >= MOST_DATABASES {
            let fault = Fault::Needs(format!("databases[{count}] first"));
            return Err(ConfigError::new(setting.origin.clone(), Some(place.path()), fault));
        }
        count = count.max(place.index + 1);
    }
    Ok(count)
}

/// Places by name, the `…_FILE` names of secrets included.
fn names(of: impl Fn(Place) -> Vec<String>) -> BTreeMap<String, Found> {
    let mut names = BTreeMap::new();
    for place in table::places() {
        for name in of(place) {
            if place.key().is_secret() {
                names.insert(format!("{name}_FILE"), Found { place, is_file: true });
            }
            names.insert(name, Found { place, is_file: false });
        }
    }
    names
}

/// `MCP_DATABASES_3_HOST` → (`MCP_DATABASES_0_HOST`, 3): the table holds the first of each.
fn split_index(name: &str) -> (String, Option<usize>) {
    let parts = name.strip_prefix("MCP_DATABASES_").and_then(|rest| rest.split_once('_'));
    match parts.and_then(|(index, key)| Some((index.parse().ok()?, key))) {
        Some((index, key)) => (format!("MCP_DATABASES_0_{key}"), Some(index)),
        None => (name.to_owned(), None),
    }
}

/// Does a name stand below one of our sections?
fn is_claimed(name: &str) -> bool {
    name.starts_with("PGEDGE_AUTH_")
        || table::places().any(|place| {
            let section = place.key().path.split(['.', '[']).next().unwrap_or_default();
            name.strip_prefix(&table::environment_form(section))
                .is_some_and(|rest| rest.starts_with('_'))
        })
}

fn unknown(origin: Origin, name: &str, names: &BTreeMap<String, Found>) -> ConfigError {
    let nearest = names.keys().min_by_key(|known| strsim::osa_distance(known, name));
    let error = ConfigError::new(origin, None, Fault::UnknownKey);
    match nearest.filter(|known| strsim::osa_distance(known, name) <= 4) {
        Some(known) => error.with_hint(format!("did you mean {known}?")),
        None => error.with_hint("docs/config.md lists every name"),
    }
}
