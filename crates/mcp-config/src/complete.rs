//! What nobody said: defaults, values worked out from others, and the rules between keys.

use std::path::Path;

use crate::address::{ListenAddress, is_this_machine};
use crate::error::{ConfigError, Fault};
use crate::layer::Settings;
use crate::origin::{Layer, Origin, Setting};
use crate::table::{self, BesideUrl, Fallback, Place};
use crate::value::Value;

/// Fills in what is missing and checks what must go together.
///
/// `home` is where `.pgpass` lies; `None` where it must not be used.
pub(crate) fn complete(
    settings: &mut Settings,
    databases: usize,
    beside: &Path,
    home: Option<&String>,
) -> Result<(), ConfigError> {
    for index in 0..databases {
        settle_url(settings, index)?;
    }
    let places = || {
        table::places().flat_map(|place| {
            let last = if place.is_indexed() { databases } else { 1 };
            (0..last).map(move |index| place.at(index))
        })
    };
    for place in places() {
        fill_default(settings, place)?;
    }
    // After the plain defaults, which these are worked out from.
    for place in places() {
        if let (None, Fallback::Derived(_)) = (settings.get(&place), place.key().fallback)
            && let Some(value) = derive(settings, place, beside, home)?
        {
            settings.insert(place, default(value));
        }
    }
    check_tls(settings)?;
    check_users(settings)?;
    check_mail(settings)?;
    check_names(settings)
}

fn default(value: Value) -> Setting {
    Setting { value, origin: Origin::Default, layer: Layer::Default }
}

fn at(path: &str, index: usize) -> Option<Place> {
    table::find_row(path).map(|place| place.at(index))
}

fn get<'s>(settings: &'s Settings, path: &str, index: usize) -> Option<&'s Setting> {
    settings.get(&at(path, index)?)
}

fn text<'s>(settings: &'s Settings, path: &str, index: usize) -> Option<&'s str> {
    match &get(settings, path, index)?.value {
        Value::Text(text) | Value::Path(text) => Some(text),
        _ => None,
    }
}

fn is_on(settings: &Settings, path: &str) -> bool {
    get(settings, path, 0).is_some_and(|setting| setting.value == Value::Bool(true))
}

/// Lets a `url` replace what weaker layers say about the same connection.
fn settle_url(settings: &mut Settings, index: usize) -> Result<(), ConfigError> {
    let Some(url) = get(settings, "databases[].url", index).cloned() else { return Ok(()) };
    for place in table::places().filter(|place| place.is_indexed()).map(|place| place.at(index)) {
        let rule = place.key().beside_url;
        let Some(setting) = settings.get(&place) else { continue };
        if rule != BesideUrl::Free && setting.layer < url.layer {
            settings.remove(&place);
        } else if rule == BesideUrl::Instead && setting.layer == url.layer {
            let other = format!("databases[{index}].url");
            let fault = Fault::Excludes { other };
            let error = ConfigError::new(setting.origin.clone(), Some(place.path()), fault);
            return Err(error.with_hint("put it into the url, or leave the url out"));
        }
    }
    Ok(())
}

fn fill_default(settings: &mut Settings, place: Place) -> Result<(), ConfigError> {
    let key = place.key();
    let has_url = get(settings, "databases[].url", place.index).is_some();
    let said_by_url = key.beside_url != BesideUrl::Free && has_url;
    if let Fallback::Is(text) = key.fallback
        && !said_by_url
        && !settings.contains_key(&place)
    {
        let mismatch = || ConfigError::new(Origin::Default, Some(place.path()), Fault::Mismatch);
        let value = key.kind.parse(text).ok_or_else(mismatch)?;
        settings.insert(place, default(value));
    }
    Ok(())
}

/// The value of a key whose default is worked out. `None`: it has none.
fn derive(
    settings: &Settings,
    place: Place,
    beside: &Path,
    home: Option<&String>,
) -> Result<Option<Value>, ConfigError> {
    let index = place.index;
    let path = |path: &Path| {
        let text = path.to_str().map(|text| Value::Path(text.to_owned()));
        let error = || ConfigError::new(Origin::Default, Some(place.path()), Fault::PathNotUtf8);
        text.ok_or_else(error).map(Some)
    };
    match place.key().path {
        "http.public_url" => Ok(local_url(settings)),
        "http.auth.jwt_issuer" => {
            let url = get(settings, "http.public_url", 0).map(|setting| setting.value.clone());
            Ok(url.or_else(|| local_url(settings)))
        }
        "http.auth.token_file" => path(&beside.join("mcp-server-tokens.yaml")),
        "http.auth.user_file" => path(&beside.join("mcp-server-users.yaml")),
        "state.directory" => {
            let users = text(settings, "http.auth.user_file", 0).map(Path::new);
            let folder = users.and_then(Path::parent).filter(|path| path != &Path::new(""));
            path(folder.unwrap_or(Path::new(".")))
        }
        "databases[].name" if index == 0 => Ok(Some(Value::Text("default".into()))),
        "databases[].name" => Err(unnamed(settings, place)),
        // As libpq does; beside a url the user is the url's, and so is this.
        "databases[].database" => {
            let user = text(settings, "databases[].user", index);
            let has_url = get(settings, "databases[].url", index).is_some();
            Ok(user.filter(|_| !has_url).map(|user| Value::Text(user.to_owned())))
        }
        "databases[].passfile" if index == 0 => match home {
            Some(home) => path(&Path::new(home).join(".pgpass")),
            None => Ok(None),
        },
        key => Ok(derive_users(settings, key).or_else(|| derive_mail(settings, key))),
    }
}

fn derive_users(settings: &Settings, key: &str) -> Option<Value> {
    let is_file = user_store(settings) == "file";
    match key {
        "users.store" => Some(Value::Text(user_store(settings).into())),
        "http.auth.max_failed_attempts_before_lockout" => {
            Some(Value::Integer(if is_file { 0 } else { 5 }))
        }
        "http.auth.lockout_duration_minutes" => Some(Value::Integer(if is_file { 0 } else { 15 })),
        _ => None,
    }
}

/// Whoever names a database for the users wants them there.
fn user_store(settings: &Settings) -> &str {
    let has_dsn = get(settings, "users.database_dsn", 0).is_some();
    text(settings, "users.store", 0).unwrap_or(if has_dsn { "postgres" } else { "file" })
}

fn derive_mail(settings: &Settings, key: &str) -> Option<Value> {
    let is_tls = is_on(settings, "smtp.tls");
    let outbox = if is_on(settings, "smtp.enabled") { "smtp" } else { "none" };
    match key {
        "smtp.enabled" => Some(Value::Bool(get(settings, "smtp.host", 0).is_some())),
        // The ports of submission with STARTTLS and with TLS (RFC 8314 §7.3).
        "smtp.port" => Some(Value::Integer(if is_tls { 465 } else { 587 })),
        "smtp.starttls" => Some(Value::Bool(!is_tls)),
        "mail.outbox" => Some(Value::Text(outbox.into())),
        _ => None,
    }
}

fn local_url(settings: &Settings) -> Option<Value> {
    let port = text(settings, "http.address", 0).and_then(ListenAddress::parse)?.port;
    // Over TLS the port speaks nothing else, so a link with http would be dead.
    let scheme = if is_on(settings, "http.tls.enabled") { "https" } else { "http" };
    Some(Value::Text(format!("{scheme}://localhost:{port}")))
}

fn unnamed(settings: &Settings, place: Place) -> ConfigError {
    let said = settings.iter().find(|(other, setting)| {
        other.is_indexed() && other.index == place.index && setting.layer != Layer::Default
    });
    let origin = said.map_or(Origin::Default, |(_, setting)| setting.origin.clone());
    let key = format!("databases[{}]", place.index);
    ConfigError::new(origin, Some(key), Fault::Needs("a name".into()))
        .with_hint("only the first database may go without: it is called default then")
}

fn check_tls(settings: &Settings) -> Result<(), ConfigError> {
    if is_on(settings, "http.tls.enabled") {
        for needed in ["http.tls.cert_file", "http.tls.key_file"] {
            check_beside(settings, "http.tls.enabled", needed)?;
        }
    }
    Ok(())
}

fn check_users(settings: &Settings) -> Result<(), ConfigError> {
    if user_store(settings) == "file" {
        return Ok(());
    }
    check_beside(settings, "users.store", "users.database_dsn").map_err(|error| {
        error
            .with_hint("set USER_DATABASE_DSN, or users.database_dsn_file for a file that holds it")
    })
}

/// Does the key that is needed beside another stand there?
fn check_beside(settings: &Settings, path: &str, needed: &str) -> Result<(), ConfigError> {
    match get(settings, needed, 0) {
        Some(_) => Ok(()),
        None => Err(at_fault(settings, path, Fault::Needs(needed.into()))),
    }
}

/// The error of a key, told where that key was set.
fn at_fault(settings: &Settings, path: &str, fault: Fault) -> ConfigError {
    let origin = get(settings, path, 0).map(|setting| setting.origin.clone());
    ConfigError::new(origin.unwrap_or(Origin::Default), Some(path.into()), fault)
}

/// Letters go somewhere, encrypted or no further than this machine, by a login that is whole.
fn check_mail(settings: &Settings) -> Result<(), ConfigError> {
    for (path, needed) in [("smtp.user", "smtp.password"), ("smtp.password", "smtp.user")] {
        if get(settings, path, 0).is_some() {
            check_beside(settings, path, needed)?;
        }
    }
    if is_on(settings, "smtp.tls") && is_on(settings, "smtp.starttls") {
        let other = "smtp.starttls".into();
        return Err(at_fault(settings, "smtp.tls", Fault::Excludes { other })
            .with_hint("smtp.tls is for port 465, smtp.starttls for 587: keep one of them"));
    }
    if is_on(settings, "smtp.enabled") {
        // Where it is on because there is a host, the host is what the operator wrote.
        check_beside(settings, "smtp.enabled", "smtp.host")?;
        check_beside(settings, "smtp.host", "smtp.from_email")?;
        check_protection(settings)?;
    } else if text(settings, "mail.outbox", 0) == Some("smtp") {
        return Err(at_fault(settings, "mail.outbox", Fault::Needs("smtp.host".into())));
    }
    Ok(())
}

fn check_protection(settings: &Settings) -> Result<(), ConfigError> {
    let is_protected = is_on(settings, "smtp.tls") || is_on(settings, "smtp.starttls");
    let is_local = text(settings, "smtp.host", 0).is_some_and(is_this_machine);
    if is_protected || is_local {
        return Ok(());
    }
    let fault = Fault::Needs("smtp.starttls or smtp.tls".into());
    Err(at_fault(settings, "smtp.host", fault)
        .with_hint("letters go in the clear to a server on this machine only"))
}

fn check_names(settings: &Settings) -> Result<(), ConfigError> {
    let is_name = |(place, _): &(&Place, &Setting)| place.key().path == "databases[].name";
    let names: Vec<_> = settings.iter().filter(is_name).collect();
    for (position, (place, setting)) in names.iter().enumerate() {
        let earlier = names[..position].iter().find(|(_, other)| other.value == setting.value);
        if let Some((other, _)) = earlier {
            let other = format!("databases[{}]", other.index);
            let fault = Fault::NameTaken { name: setting.value.to_string(), other };
            return Err(ConfigError::new(setting.origin.clone(), Some(place.path()), fault));
        }
    }
    Ok(())
}
