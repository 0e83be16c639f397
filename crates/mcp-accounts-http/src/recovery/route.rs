//! The paths.

use http::Method;

const LINK: &str = "/auth/email/reset-password/";
const PAGE: &str = "/admin/reset-password/";
const USERS: &str = "/auth/email/admin/users/";

/// One of the paths, with what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Request,
    ResetByToken,
    Forgot,
    ResetLink(&'a str),
    ResetPage(&'a str),
    AdminLink(&'a str),
}

impl Route<'_> {
    pub(super) fn methods(self) -> &'static [Method] {
        match self {
            Self::ResetLink(_) | Self::ResetPage(_) => &[Method::GET, Method::POST],
            Self::Request | Self::ResetByToken | Self::Forgot | Self::AdminLink(_) => {
                &[Method::POST]
            }
        }
    }

    /// Is it JSON that is sent there? A page sends a form, and for a link nothing is read.
    pub(super) fn wants_json(self) -> bool {
        match self {
            Self::Request | Self::ResetByToken | Self::Forgot | Self::ResetLink(_) => true,
            Self::ResetPage(_) | Self::AdminLink(_) => false,
        }
    }
}

/// Is this a path of recovery?
#[must_use]
pub fn is_recovery(path: &str) -> bool {
    route_of(path).is_some()
}

/// Is this the page that the link in a letter leads to?
///
/// The page tells its browser to send no referrer, and a browser that was told so sends
/// `Origin: null` with a form, to the same site, too. Whoever refuses that must pass it here: the
/// secret in the path is what no other site knows.
#[must_use]
pub fn is_reset_page(path: &str) -> bool {
    matches!(route_of(path), Some(Route::ResetPage(_)))
}

pub(super) fn route_of(path: &str) -> Option<Route<'_>> {
    // The same endpoints under another name.
    let path = match path.strip_prefix("/v1") {
        Some(rest) if rest.starts_with("/auth/email/") => rest,
        _ => path,
    };
    match path {
        "/auth/password-reset-request" => return Some(Route::Request),
        "/auth/password-reset" => return Some(Route::ResetByToken),
        "/auth/email/forgot-password" => return Some(Route::Forgot),
        _ => {}
    }
    if let Some(secret) = path.strip_prefix(LINK) {
        return one(secret).map(Route::ResetLink);
    }
    if let Some(secret) = path.strip_prefix(PAGE) {
        return one(secret).map(Route::ResetPage);
    }
    let user = path.strip_prefix(USERS)?.strip_suffix("/reset-link")?;
    one(user).map(Route::AdminLink)
}

/// One segment that is not empty.
fn one(segment: &str) -> Option<&str> {
    (!segment.is_empty() && !segment.contains('/')).then_some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_route_or_none() {
        for (path, route) in [
            ("/auth/email/reset-password/x", Some(Route::ResetLink("x"))),
            ("/v1/auth/email/reset-password/x", Some(Route::ResetLink("x"))),
            ("/v1/auth/password-reset", None),
            ("/admin/reset-password/x", Some(Route::ResetPage("x"))),
            ("/admin/reset-password/", None),
            ("/admin/reset-password/x/y", None),
            ("/auth/email/admin/users/a%40b/reset-link", Some(Route::AdminLink("a%40b"))),
            ("/auth/email/admin/users//reset-link", None),
            ("/auth/email/admin/users/a/b/reset-link", None),
        ] {
            assert_eq!(route_of(path), route, "{path}");
        }
    }
}
