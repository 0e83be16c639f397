//! Three sources, one configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::complete;
use crate::environment;
use crate::error::{ConfigError, Fault};
use crate::file::{self, FileLayer};
use crate::layer::{self, Settings};
use crate::origin::{Layer, Origin, Origins};
use crate::section::Config;
use crate::table;

const SYSTEM_WIDE: &str = "/etc/mcp-server/mcp-server.yaml";
const BESIDE_THE_BINARY: &str = "mcp-server.yaml";

/// Where configuration comes from. Has no `Debug`: environment and flags may hold passwords.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file, as [`locate`] found it. `None`: there is none.
    pub file: Option<PathBuf>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// What the command line gave, as key path and text: `("http.address", ":8080")`. Flags about
    /// a database speak of the first: `databases[0].host`.
    pub flags: Vec<(&'static str, String)>,
    /// The directory of the binary: the home of the default files.
    pub beside: PathBuf,
}

/// A configuration in force, and where each value of it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Their origins.
    pub origins: Origins,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// The configuration file to read: the one that `--config` names, whether or not it exists; else
/// the system-wide one; else the one beside the binary; else none.
#[must_use]
pub fn locate(flag: Option<&Path>, beside: &Path) -> Option<PathBuf> {
    locate_among(flag, &[PathBuf::from(SYSTEM_WIDE), beside.join(BESIDE_THE_BINARY)])
}

fn locate_among(flag: Option<&Path>, places: &[PathBuf]) -> Option<PathBuf> {
    let existing = || places.iter().find(|path| path.exists()).cloned();
    flag.map(Path::to_owned).or_else(existing)
}

/// Reads all sources: flag over environment over file over default, `PG*` below the file. Reads
/// the configuration file and the files that hold secrets; nothing else.
///
/// # Errors
/// The first fault found. Nothing is in force then: there is no half configuration.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let file = match &sources.file {
        Some(path) => file::read(path)?,
        None => FileLayer::default(),
    };
    let names_a_database = file.databases > 0;
    let ambient = environment::ambient(&sources.environment, names_a_database)?;
    let ours = environment::ours(&sources.environment)?;
    let databases = environment::count_databases(&ours, file.databases)?;
    let flags = flag_layer(&sources.flags)?;
    let mut settings = Settings::new();
    // Weakest first: each takes the place of what the ones before it said.
    for layer in [ambient, file.settings, ours, flags] {
        settings.extend(layer);
    }
    let home = sources.environment.get("HOME").filter(|_| !names_a_database);
    complete::complete(&mut settings, databases, &sources.beside, home)?;
    let origins = Origins(settings);
    Ok(Loaded { config: typed(&origins)?, origins, file: sources.file.clone() })
}

fn flag_layer(flags: &[(&'static str, String)]) -> Result<Settings, ConfigError> {
    let mut settings = Settings::new();
    for (path, text) in flags {
        let Some(found) = table::find(path).filter(|found| found.place.index == 0) else {
            let key = Some((*path).to_owned());
            return Err(ConfigError::new(Origin::Default, key, Fault::UnknownKey));
        };
        let origin = Origin::Flag(found.place.key().flag.unwrap_or(path));
        layer::put_text(&mut settings, found, text, (origin, Layer::Flag))?;
    }
    Ok(settings)
}

/// The typed form of settings that were all checked one by one.
fn typed(origins: &Origins) -> Result<Config, ConfigError> {
    let mut root = serde_json::json!({});
    let mut databases = vec![serde_json::json!({}); origins.databases()];
    for (place, setting) in &origins.0 {
        let path = place.key().path;
        let (mut node, below) = match path.split_once("[].") {
            Some((_, below)) => (&mut databases[place.index], below),
            None => (&mut root, path),
        };
        for part in below.split('.') {
            node = &mut node[part];
        }
        *node = setting.value.to_json();
    }
    root["databases"] = databases.into();
    // What serde has to say is dropped: it may repeat a value, and a value may be a secret.
    serde_json::from_value(root)
        .map_err(|_| ConfigError::new(Origin::Default, None, Fault::Mismatch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_names_the_file_even_if_it_is_missing_and_the_first_existing_place_comes_next() {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let missing = PathBuf::from("no-such-file.yaml");
        let places = [missing.clone(), here.clone()];
        assert_eq!(locate_among(Some(&missing), &places), Some(missing.clone()));
        assert_eq!(locate_among(None, &places), Some(here));
        assert_eq!(locate_among(None, &places[..1]), None);
    }
}
