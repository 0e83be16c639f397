//! One's own account: for whoever has a session.

use http::Method;
use mcp_accounts::ChangeRejection;
use mcp_identity::{Denial, Password, SessionId};

use crate::answer::{Answer, Reply};
use crate::form::{Form as _, form};
use crate::route::{Access, Ask, Route, SchemaOf, of};
use crate::view::{
    Detail, EndedBody, FailedRules, Message, ProfileBody, SessionView, SessionsBody, Success,
    UserBody,
};

form! {
    /// `POST /auth/email/change-password`
    ChangePassword { old_password: Password, new_password: Password }
}

const NO_SESSION: &str = "There is no such session of yours.";
const ME_ANSWERS: &[(u16, &str, SchemaOf)] = &[(200, "The account.", of::<UserBody>)];

pub(super) static ROUTES: [Route; 9] = [
    Route {
        method: Method::GET,
        path: "/auth/me",
        access: Access::Session,
        id: "me",
        summary: "The account of whoever asks",
        body: None,
        query: &[],
        answers: ME_ANSWERS,
        run: |ask| Box::pin(async move { me(&ask).await }),
    },
    Route {
        method: Method::POST,
        path: "/auth/verify-token",
        access: Access::Session,
        id: "verifyToken",
        summary: "The account of whoever asks, if the token holds",
        body: None,
        query: &[],
        answers: ME_ANSWERS,
        run: |ask| Box::pin(async move { me(&ask).await }),
    },
    Route {
        method: Method::GET,
        path: "/auth/email/me",
        access: Access::Session,
        id: "emailMe",
        summary: "The account of whoever asks, in full",
        body: None,
        query: &[],
        answers: &[(200, "The account.", of::<ProfileBody>)],
        run: |ask| Box::pin(async move { profile(&ask).await }),
    },
    Route {
        method: Method::POST,
        path: "/auth/logout",
        access: Access::Session,
        id: "logout",
        summary: "End the session that asks",
        body: None,
        query: &[],
        answers: &[(200, "The next request with its token is refused.", of::<Message>)],
        run: |ask| Box::pin(async move { log_out(&ask).await }),
    },
    Route {
        method: Method::GET,
        path: "/auth/sessions",
        access: Access::Session,
        id: "listSessions",
        summary: "The sessions of whoever asks",
        body: None,
        query: &[],
        answers: &[(200, "The sessions.", of::<SessionsBody>)],
        run: |ask| Box::pin(async move { sessions(&ask).await }),
    },
    Route {
        method: Method::DELETE,
        path: "/auth/sessions",
        access: Access::Session,
        id: "endOtherSessions",
        summary: "End all of them but the one that asks",
        body: None,
        query: &[],
        answers: &[(200, "They are over.", of::<EndedBody>)],
        run: |ask| Box::pin(async move { end_others(&ask).await }),
    },
    Route {
        method: Method::GET,
        path: "/auth/sessions/{id}",
        access: Access::Session,
        id: "getSession",
        summary: "One of them",
        body: None,
        query: &[],
        answers: &[(200, "The session.", of::<SessionView>), (404, NO_SESSION, of::<Detail>)],
        run: |ask| Box::pin(async move { session(&ask).await }),
    },
    Route {
        method: Method::DELETE,
        path: "/auth/sessions/{id}",
        access: Access::Session,
        id: "endSession",
        summary: "End one of them",
        body: None,
        query: &[],
        answers: &[(200, "It is over.", of::<Message>), (404, NO_SESSION, of::<Detail>)],
        run: |ask| Box::pin(async move { end_one(&ask).await }),
    },
    Route {
        method: Method::POST,
        path: "/auth/email/change-password",
        access: Access::PasswordChange,
        id: "changePassword",
        summary: "Change one's own password; every other session ends",
        body: Some(ChangePassword::schema),
        query: &[],
        answers: &[
            (200, "It is changed.", of::<Success>),
            (400, "The new password breaks rules of the policy.", of::<FailedRules>),
            (401, "The token does not hold, or the old password is wrong.", of::<Detail>),
        ],
        run: |ask| Box::pin(async move { change_password(&ask).await }),
    },
];

async fn me(ask: &Ask) -> Reply {
    let person = ask.accounts.me(ask.by()?).await.map_err(|fault| Answer::down(&fault))?;
    person.map(|person| Answer::ok(&UserBody::of(&person))).ok_or_else(gone)
}

async fn profile(ask: &Ask) -> Reply {
    let person = ask.accounts.me(ask.by()?).await.map_err(|fault| Answer::down(&fault))?;
    person.map(|person| Answer::ok(&ProfileBody::of(&person))).ok_or_else(gone)
}

/// The account was deleted since the credential was looked at.
fn gone() -> Answer {
    Answer::denied(Denial::BadCredential(mcp_identity::CredentialFault::Ended))
}

async fn log_out(ask: &Ask) -> Reply {
    match ask.accounts.log_out(ask.by()?).await {
        Ok(true) => Ok(Answer::ok(&Message { message: "Logged out successfully" })),
        Ok(false) => Err(Answer::denied(Denial::NotAllowed)),
        Err(fault) => Err(Answer::down(&fault)),
    }
}

async fn sessions(ask: &Ask) -> Reply {
    let sessions = ask.accounts.own_sessions(ask.by()?).await;
    let sessions = sessions.map_err(|fault| Answer::down(&fault))?;
    Ok(Answer::ok(&SessionsBody::of(sessions)))
}

async fn session(ask: &Ask) -> Reply {
    let sessions = ask.accounts.own_sessions(ask.by()?).await;
    let mut sessions = sessions.map_err(|fault| Answer::down(&fault))?.into_iter();
    let found = sessions.find(|session| session.id.as_str() == ask.named);
    found.map(|session| Answer::ok(&SessionView::of(session))).ok_or_else(Answer::not_found)
}

async fn end_one(ask: &Ask) -> Reply {
    let id = SessionId::parse(&ask.named).ok_or_else(Answer::not_found)?;
    match ask.accounts.end_own_session(ask.by()?, &id).await {
        Ok(true) => Ok(Answer::ok(&Message { message: "Session ended" })),
        Ok(false) => Err(Answer::not_found()),
        Err(fault) => Err(Answer::down(&fault)),
    }
}

async fn end_others(ask: &Ask) -> Reply {
    let ended = ask.accounts.end_other_sessions(ask.by()?).await;
    let ended = ended.map_err(|fault| Answer::down(&fault))?;
    Ok(Answer::ok(&EndedBody { message: "Other sessions ended", ended }))
}

async fn change_password(ask: &Ask) -> Reply {
    let ChangePassword { old_password, new_password } = ChangePassword::parse(&ask.body)?;
    let changed = ask.accounts.change_password(ask.by()?, old_password, new_password).await;
    changed.map_err(|rejection| unchanged(&rejection))?;
    Ok(Answer::ok(&Success { success: true, message: "Password changed successfully" }))
}

fn unchanged(rejection: &ChangeRejection) -> Answer {
    match rejection {
        ChangeRejection::NotAnOwner => gone(),
        ChangeRejection::WrongPassword => Answer::wrong("Current password is incorrect"),
        ChangeRejection::Password(rejection) => Answer::password(rejection),
        ChangeRejection::TooManyAttempts { retry_after } => Answer::too_many(*retry_after),
        ChangeRejection::Store(fault) => Answer::down(fault),
    }
}
