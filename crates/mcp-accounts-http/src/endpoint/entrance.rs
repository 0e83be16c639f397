//! Logging in and registering: for strangers.

use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use mcp_accounts::{LoggedIn, RegisterRejection, Registration};
use mcp_identity::Password;

use crate::answer::{Answer, Reply};
use crate::form::{Form as _, form};
use crate::route::{Access, Ask, Route, SchemaOf, of};
use crate::view::{ChangeRequired, Detail, FailedRules, SessionBody};

/// Said with a 403 to whoever must change his password first.
const CHANGE_REQUIRED: HeaderName = HeaderName::from_static("x-password-change-required");

form! {
    /// `POST /auth/login`
    Login { username: String, password: Password }
}

form! {
    /// `POST /auth/email/login`
    EmailLogin { email: String, password: Password }
}

form! {
    /// `POST /auth/register`
    Register { username: String, email: String, password: Password }
}

form! {
    /// `POST /auth/email/register`
    EmailRegister { email: String, password: Password, full_name: Option<String> }
}

const LOGIN_ANSWERS: &[(u16, &str, SchemaOf)] = &[
    (200, "A session.", of::<SessionBody>),
    (401, "Unknown, wrong, disabled or locked: it looks the same.", of::<Detail>),
    (403, "The password must be changed first.", of::<ChangeRequired>),
    (429, "Too many failed logins from this address.", of::<Detail>),
];

const REGISTER_ANSWERS: &[(u16, &str, SchemaOf)] = &[
    (201, "The account was made; a session.", of::<SessionBody>),
    (400, "The password breaks rules of the policy.", of::<FailedRules>),
    (401, "The account was made, and ended before anybody was logged in.", of::<Detail>),
    (403, "Registration is off.", of::<Detail>),
    (409, "Somebody has the name or the address.", of::<Detail>),
    (429, "Too many registrations from this address.", of::<Detail>),
];

pub(super) static ROUTES: [Route; 4] = [
    Route {
        method: Method::POST,
        path: "/auth/login",
        access: Access::Anyone,
        id: "login",
        summary: "Open a session with a user name or an address, and a password",
        body: Some(Login::schema),
        query: &[],
        answers: LOGIN_ANSWERS,
        run: |ask| {
            Box::pin(async move {
                let Login { username, password } = Login::parse(&ask.body)?;
                log_in(&ask, username, password).await
            })
        },
    },
    Route {
        method: Method::POST,
        path: "/auth/email/login",
        access: Access::Anyone,
        id: "emailLogin",
        summary: "Open a session with an address and a password",
        body: Some(EmailLogin::schema),
        query: &[],
        answers: LOGIN_ANSWERS,
        run: |ask| {
            Box::pin(async move {
                let EmailLogin { email, password } = EmailLogin::parse(&ask.body)?;
                log_in(&ask, email, password).await
            })
        },
    },
    Route {
        method: Method::POST,
        path: "/auth/register",
        access: Access::Anyone,
        id: "register",
        summary: "Make an account, where strangers may",
        body: Some(Register::schema),
        query: &[],
        answers: REGISTER_ANSWERS,
        run: |ask| {
            Box::pin(async move {
                let Register { username, email, password } = Register::parse(&ask.body)?;
                let registration =
                    Registration { name: Some(username), email, password, full_name: None };
                register(&ask, registration, "username").await
            })
        },
    },
    Route {
        method: Method::POST,
        path: "/auth/email/register",
        access: Access::Anyone,
        id: "emailRegister",
        summary: "Make an account that is named for its address, where strangers may",
        body: Some(EmailRegister::schema),
        query: &[],
        answers: REGISTER_ANSWERS,
        run: |ask| {
            Box::pin(async move {
                let EmailRegister { email, password, full_name } = EmailRegister::parse(&ask.body)?;
                let registration = Registration { name: None, email, password, full_name };
                register(&ask, registration, "email").await
            })
        },
    },
];

async fn log_in(ask: &Ask, name: String, password: Password) -> Reply {
    let entered = ask.accounts.log_in(name, password, &ask.caller).await;
    let entered = entered.map_err(|rejection| Answer::login(&rejection))?;
    Ok(entrance(ask, StatusCode::OK, entered))
}

fn entrance(ask: &Ask, status: StatusCode, entered: LoggedIn) -> Answer {
    let now = ask.accounts.now();
    if entered.is_for_password_change() {
        return Answer::json(StatusCode::FORBIDDEN, &ChangeRequired::of(&entered, now))
            .with(CHANGE_REQUIRED, HeaderValue::from_static("true"));
    }
    Answer::json(status, &SessionBody::of(entered, now))
}

async fn register(ask: &Ask, registration: Registration, name: &'static str) -> Reply {
    let made = ask.accounts.register(registration, &ask.caller).await;
    let entered = made.map_err(|rejection| refused(&rejection, name))?;
    Ok(entrance(ask, StatusCode::CREATED, entered))
}

fn refused(rejection: &RegisterRejection, name: &'static str) -> Answer {
    match rejection {
        RegisterRejection::Off => Answer::detail(StatusCode::FORBIDDEN, "Registration is disabled"),
        RegisterRejection::Create(rejection) => Answer::not_created(rejection, name),
        RegisterRejection::TooMany { retry_after } => Answer::too_many(*retry_after),
        RegisterRejection::NotIn(rejection) => Answer::login(rejection),
    }
}
