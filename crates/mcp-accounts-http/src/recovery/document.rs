//! What the OpenAPI document says of lost passwords. The page of the letters is not in it: it is
//! for people.

use http::Method;
use schemars::{Schema, SchemaGenerator};

use super::bodies::{Forgot, NewPassword, ResetByToken};
use crate::form::Form as _;
use crate::route::{Access, Described, SchemaOf, of};
use crate::view::{Detail, FailedRules, LinkBody, LookBody, Message, Success};

const ASKED: &[(u16, &str, SchemaOf)] = &[
    (403, "Nobody may ask for letters.", of::<Detail>),
    (429, "Too many letters for this address, or from this client.", of::<Detail>),
];
const REQUESTED: &[(u16, &str, SchemaOf)] =
    &[(200, "Whoever it is, it is said.", of::<Message>), ASKED[0], ASKED[1]];
const FORGOTTEN: &[(u16, &str, SchemaOf)] =
    &[(200, "Whoever it is, it is said.", of::<Success>), ASKED[0], ASKED[1]];
const REFUSED: (u16, &str, SchemaOf) =
    (400, "The link does not hold, or the password breaks rules of the policy.", refusal);
const EXPIRED: (u16, &str, SchemaOf) = (410, "The link has expired.", of::<Detail>);

/// The endpoints that [`RecoveryHttp`](super::RecoveryHttp) answers.
pub(crate) static DESCRIBED: [Described; 6] = [
    Described {
        method: Method::POST,
        path: "/auth/password-reset-request",
        access: Access::Anyone,
        id: "requestPasswordReset",
        summary: "Ask for a letter with a link for a new password",
        body: Some(Forgot::schema),
        query: &[],
        answers: REQUESTED,
    },
    Described {
        method: Method::POST,
        path: "/auth/password-reset",
        access: Access::Anyone,
        id: "resetPassword",
        summary: "Set a password by the secret of a link; every session ends",
        body: Some(ResetByToken::schema),
        query: &[],
        answers: &[(200, "It is set.", of::<Message>), REFUSED],
    },
    Described {
        method: Method::POST,
        path: "/auth/email/forgot-password",
        access: Access::Anyone,
        id: "forgotPassword",
        summary: "Ask for a letter with a link for a new password",
        body: Some(Forgot::schema),
        query: &[],
        answers: FORGOTTEN,
    },
    Described {
        method: Method::GET,
        path: "/auth/email/reset-password/{token}",
        access: Access::Anyone,
        id: "lookAtLink",
        summary: "What a link is worth; looking does not spend it",
        body: None,
        query: &[],
        answers: &[
            (200, "It holds.", of::<LookBody>),
            (400, "It is none, or spent.", of::<Detail>),
            EXPIRED,
        ],
    },
    Described {
        method: Method::POST,
        path: "/auth/email/reset-password/{token}",
        access: Access::Anyone,
        id: "resetPasswordByLink",
        summary: "Set a password by a link; every session ends",
        body: Some(NewPassword::schema),
        query: &[],
        answers: &[(200, "It is set.", of::<Success>), REFUSED, EXPIRED],
    },
    Described {
        method: Method::POST,
        path: "/auth/email/admin/users/{email}/reset-link",
        access: Access::Admin,
        id: "mintResetLink",
        summary: "Mint a link for a new password, to be handed over without a letter",
        body: None,
        query: &[],
        answers: &[
            (200, "The link, told once.", of::<LinkBody>),
            (404, "There is no such account.", of::<Detail>),
            (413, "The body, which is not looked at, is larger than 16 KiB.", of::<Detail>),
        ],
    },
];

fn refusal(generator: &mut SchemaGenerator) -> Schema {
    let (rules, detail) = (of::<FailedRules>(generator), of::<Detail>(generator));
    schemars::json_schema!({ "anyOf": [rules, detail] })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::recovery::route::route_of;
    use crate::route;

    #[test]
    fn what_is_described_is_what_is_answered() {
        let described: HashSet<_> = DESCRIBED.iter().map(|it| (it.path, &it.method)).collect();
        for (path, method) in &described {
            let route = route_of(path).unwrap();
            assert!(route.methods().contains(method), "{path}");
            for other in route.methods() {
                assert!(described.contains(&(*path, other)), "{other} {path}");
            }
        }
    }

    #[test]
    fn no_name_is_one_of_the_table() {
        let mut names: HashSet<_> = route::all().map(|route| route.id).collect();
        assert!(DESCRIBED.iter().all(|described| names.insert(described.id)));
    }
}
