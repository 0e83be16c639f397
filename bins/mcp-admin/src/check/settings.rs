//! What the configuration says, and what should make somebody think.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mcp_config::{HttpConfig, Loaded, Origin, TlsConfig};

use super::Finding;
use crate::passwords::Passwords;

/// What stands in the place of a secret.
const MASKED: &str = "********";

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = vec![configuration(loaded)];
    if loaded.config.http.enabled {
        findings.push(authentication(&loaded.config.http));
        findings.extend(encryption(&loaded.config.http));
    }
    findings.extend(tls(&loaded.config.http.tls));
    if let Err(fault) = Passwords::new(&loaded.config) {
        findings.push(Finding::failed("passwords", &fault));
    }
    findings
}

fn configuration(loaded: &Loaded) -> Finding {
    const WHAT: &str = "configuration";
    let Some(file) = &loaded.file else {
        return Finding::ok(WHAT, "there is no file: the defaults are in force");
    };
    let holds_a_secret = mcp_config::show(loaded)
        .iter()
        .any(|line| line.value == MASKED && matches!(line.origin, Origin::File { .. }));
    let shown = file.display();
    if holds_a_secret && mode(file).is_some_and(|mode| mode & 0o077 != 0) {
        return Finding::warn(WHAT, format!("{shown}: others may read the secrets in it"))
            .hint(format!("chmod 600 {shown}, or keep them in files of their own: password_file"));
    }
    Finding::ok(WHAT, shown.to_string())
}

fn authentication(http: &HttpConfig) -> Finding {
    const WHAT: &str = "authentication";
    if http.auth.enabled {
        return Finding::ok(WHAT, "every caller needs a credential");
    }
    if http.listen_address().is_some_and(|address| address.is_loopback()) {
        return Finding::warn(WHAT, "it is off: everybody on this machine reads every database");
    }
    Finding::fail(WHAT, format!("it is off, and {} is open to others", http.address))
        .hint("remove http.auth.enabled: false")
}

fn encryption(http: &HttpConfig) -> Option<Finding> {
    const WHAT: &str = "encryption";
    let is_local = http.listen_address().is_some_and(|address| address.is_loopback());
    if http.tls.enabled || is_local {
        return None;
    }
    let detail = format!("{} speaks plain HTTP: credentials can be read on the way", http.address);
    Some(Finding::warn(WHAT, detail).hint("set http.tls, or put a proxy with TLS in front"))
}

fn tls(tls: &TlsConfig) -> Vec<Finding> {
    const WHAT: &str = "TLS";
    if !tls.enabled {
        return Vec::new();
    }
    let files = [&tls.cert_file, &tls.key_file, &tls.chain_file];
    let mut findings: Vec<Finding> =
        files.into_iter().flatten().map(|file| readable(WHAT, file)).collect();
    let key = tls.key_file.as_deref();
    if let Some(key) = key.filter(|key| mode(key).is_some_and(|mode| mode & 0o007 != 0)) {
        let shown = key.display();
        findings.push(
            Finding::warn(WHAT, format!("{shown}: everybody on this machine has a right to it"))
                .hint(format!("chmod 600 {shown}")),
        );
    }
    findings
}

fn readable(what: &'static str, file: &Path) -> Finding {
    match fs::File::open(file) {
        Ok(_) => Finding::ok(what, file.display().to_string()),
        Err(error) => Finding::fail(what, format!("{}: cannot open it: {error}", file.display())),
    }
}

fn mode(file: &Path) -> Option<u32> {
    fs::metadata(file).ok().map(|metadata| metadata.permissions().mode())
}
