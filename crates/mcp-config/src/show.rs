//! A configuration for the eye, and two of them compared.

use std::collections::BTreeSet;

use crate::load::Loaded;
use crate::origin::Origin;
use crate::table::{Place, Reload};

/// One line of `config show`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The key path: `databases[0].host`.
    pub key: String,
    /// The value as a file would write it; `********` for a secret.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// One key that differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The key path; for a database that came or went, `databases[1]`.
    pub key: String,
    /// It takes effect on a reload. Otherwise: after a restart.
    pub reloadable: bool,
}

/// Every key that has a value, in the order of the reference page.
#[must_use]
pub fn show(loaded: &Loaded) -> Vec<Shown> {
    let settings = loaded.origins.0.iter();
    settings
        .map(|(place, setting)| Shown {
            key: place.path(),
            value: setting.value.to_string(),
            origin: setting.origin.clone(),
        })
        .collect()
}

/// What a reload from `old` to `new` means, key by key.
#[must_use]
pub fn changes(old: &Loaded, new: &Loaded) -> Vec<Changed> {
    let (before, after) = (&old.origins.0, &new.origins.0);
    let common = old.origins.databases().min(new.origins.databases());
    let value = |side: &crate::layer::Settings, place: &Place| {
        side.get(place).map(|setting| setting.value.clone())
    };
    let places: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changed: Vec<Changed> = Vec::new();
    for place in places.into_iter().filter(|place| value(before, place) != value(after, place)) {
        let entry = if place.is_indexed() && place.index >= common {
            Changed { key: format!("databases[{}]", place.index), reloadable: false }
        } else {
            Changed { key: place.path(), reloadable: place.key().reload == Reload::Live }
        };
        if changed.last() != Some(&entry) {
            changed.push(entry);
        }
    }
    changed
}
