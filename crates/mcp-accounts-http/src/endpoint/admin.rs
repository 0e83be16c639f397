//! Accounts of others: for admins.

use http::{Method, StatusCode};
use mcp_accounts::{
    AccountEdit, DeleteRejection, FindRejection, Guard, ListRejection, NewAccount, UpdateRejection,
};
use mcp_identity::Password;
use serde_json::{Value, json};

use crate::answer::{Answer, Reply};
use crate::form::{Form as _, form};
use crate::route::{Access, Ask, Parameter, Route, SchemaOf, of};
use crate::view::{Detail, EndedBody, FailedRules, Message, ProfileBody, SessionsBody, UsersBody};

form! {
    /// `POST /auth/email/admin/users`
    CreateUser {
        email: String,
        password: Password,
        username: Option<String>,
        full_name: Option<String>,
        is_admin: Option<bool>,
        is_active: Option<bool>,
        password_change_required: Option<bool>,
    }
}

form! {
    /// `PUT` and `PATCH /auth/email/admin/users/{email}`: what is not said stays.
    UpdateUser {
        password: Option<Password>,
        password_change_required: Option<bool>,
        full_name: Option<String>,
        is_admin: Option<bool>,
        is_active: Option<bool>,
    }
}

/// Accounts in one part of the list, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;

const USER: &str = "/auth/email/admin/users/{email}";
const NO_USER: (u16, &str, SchemaOf) = (404, "There is no such account.", of::<Detail>);
const UPDATE_ANSWERS: &[(u16, &str, SchemaOf)] = &[
    (200, "The account as it is now.", of::<ProfileBody>),
    (400, "A password that breaks rules, one's own rights, or the last admin's.", refusal),
    NO_USER,
];

fn refusal(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let (rules, detail) = (of::<FailedRules>(generator), of::<Detail>(generator));
    schemars::json_schema!({ "anyOf": [rules, detail] })
}

fn limit_schema() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE })
}

fn cursor_schema() -> Value {
    json!({ "type": "string" })
}

pub(super) static ROUTES: [Route; 9] = [
    Route {
        method: Method::GET,
        path: "/auth/email/admin/users",
        access: Access::Admin,
        id: "listUsers",
        summary: "Accounts, in the order of their names",
        body: None,
        query: &[
            Parameter { name: "limit", schema: limit_schema, meaning: "How many at most." },
            Parameter {
                name: "cursor",
                schema: cursor_schema,
                meaning: "Where to go on: `next_cursor` of the part before.",
            },
        ],
        answers: &[
            (200, "A part of the list.", of::<UsersBody>),
            (422, "A limit or a cursor that cannot be used.", of::<crate::view::FieldProblem>),
        ],
        run: |ask| Box::pin(async move { list(&ask).await }),
    },
    Route {
        method: Method::POST,
        path: "/auth/email/admin/users",
        access: Access::Admin,
        id: "createUser",
        summary: "Make an account",
        body: Some(CreateUser::schema),
        query: &[],
        answers: &[
            (201, "The account.", of::<ProfileBody>),
            (400, "The password breaks rules of the policy.", of::<FailedRules>),
            (409, "Somebody has the name or the address.", of::<Detail>),
        ],
        run: |ask| Box::pin(async move { create(&ask).await }),
    },
    Route {
        method: Method::GET,
        path: USER,
        access: Access::Admin,
        id: "getUser",
        summary: "An account, by its address or its name",
        body: None,
        query: &[],
        answers: &[(200, "The account.", of::<ProfileBody>), NO_USER],
        run: |ask| Box::pin(async move { look_at(&ask).await }),
    },
    Route {
        method: Method::PUT,
        path: USER,
        access: Access::Admin,
        id: "updateUser",
        summary: "Change an account; a new password and disabling end its sessions",
        body: Some(UpdateUser::schema),
        query: &[],
        answers: UPDATE_ANSWERS,
        run: |ask| Box::pin(async move { update(&ask).await }),
    },
    Route {
        method: Method::PATCH,
        path: USER,
        access: Access::Admin,
        id: "patchUser",
        summary: "The same as PUT",
        body: Some(UpdateUser::schema),
        query: &[],
        answers: UPDATE_ANSWERS,
        run: |ask| Box::pin(async move { update(&ask).await }),
    },
    Route {
        method: Method::DELETE,
        path: USER,
        access: Access::Admin,
        id: "deleteUser",
        summary: "Delete an account, with its sessions",
        body: None,
        query: &[],
        answers: &[
            (200, "It is gone.", of::<Message>),
            (400, "One's own account, or the last admin's.", of::<Detail>),
            NO_USER,
        ],
        run: |ask| Box::pin(async move { delete(&ask).await }),
    },
    Route {
        method: Method::POST,
        path: "/auth/email/admin/users/{email}/unlock",
        access: Access::Admin,
        id: "unlockUser",
        summary: "Lift the lock of an account and forget its failures",
        body: None,
        query: &[],
        answers: &[(200, "The account as it is now.", of::<ProfileBody>), NO_USER],
        run: |ask| Box::pin(async move { unlock(&ask).await }),
    },
    Route {
        method: Method::GET,
        path: "/auth/email/admin/users/{email}/sessions",
        access: Access::Admin,
        id: "listUserSessions",
        summary: "The sessions of an account",
        body: None,
        query: &[],
        answers: &[(200, "The sessions.", of::<SessionsBody>), NO_USER],
        run: |ask| Box::pin(async move { sessions(&ask).await }),
    },
    Route {
        method: Method::DELETE,
        path: "/auth/email/admin/users/{email}/sessions",
        access: Access::Admin,
        id: "endUserSessions",
        summary: "End the sessions of an account",
        body: None,
        query: &[],
        answers: &[(200, "They are over.", of::<EndedBody>), NO_USER],
        run: |ask| Box::pin(async move { end_sessions(&ask).await }),
    },
];

async fn list(ask: &Ask) -> Reply {
    let said = ask.query()?;
    let limit = match said.get("limit").map(|text| text.parse::<usize>()) {
        None => PAGE,
        Some(Ok(limit)) if (1..=LARGEST_PAGE).contains(&limit) => limit,
        Some(_) => return Err(Answer::field("limit", "must be a whole number from 1 to 200")),
    };
    let cursor = said.get("cursor").map(String::as_str);
    match ask.accounts.list(ask.by()?, limit, cursor).await {
        Ok(page) => Ok(Answer::ok(&UsersBody::of(page))),
        Err(ListRejection::Cursor) => Err(Answer::field("cursor", "is not one of yours")),
        Err(ListRejection::Store(fault)) => Err(Answer::down(&fault)),
    }
}

async fn create(ask: &Ask) -> Reply {
    let form = CreateUser::parse(&ask.body)?;
    let new = NewAccount {
        name: form.username,
        email: form.email,
        password: form.password,
        full_name: form.full_name,
        is_admin: form.is_admin.unwrap_or(false),
        is_active: form.is_active.unwrap_or(true),
        must_change_password: form.password_change_required.unwrap_or(false),
    };
    match ask.accounts.create(ask.by()?, new).await {
        Ok(person) => Ok(Answer::json(StatusCode::CREATED, &ProfileBody::of(&person))),
        Err(rejection) => Err(Answer::not_created(&rejection, "username")),
    }
}

async fn look_at(ask: &Ask) -> Reply {
    let person = ask.accounts.look_at(&ask.named).await.map_err(|it| not_found(&it))?;
    Ok(Answer::ok(&ProfileBody::of(&person)))
}

async fn update(ask: &Ask) -> Reply {
    let form = UpdateUser::parse(&ask.body)?;
    let edit = AccountEdit {
        password: form.password,
        must_change_password: form.password_change_required,
        full_name: form.full_name,
        is_admin: form.is_admin,
        is_active: form.is_active,
    };
    match ask.accounts.update(ask.by()?, &ask.named, edit).await {
        Ok(person) => Ok(Answer::ok(&ProfileBody::of(&person))),
        Err(UpdateRejection::NotFound) => Err(no_user()),
        Err(UpdateRejection::Guard(guard)) => Err(guarded(guard)),
        Err(UpdateRejection::FullName) => Err(Answer::bad_full_name()),
        Err(UpdateRejection::Password(rejection)) => Err(Answer::password(&rejection)),
        Err(UpdateRejection::Store(fault)) => Err(Answer::down(&fault)),
    }
}

async fn delete(ask: &Ask) -> Reply {
    match ask.accounts.delete(ask.by()?, &ask.named).await {
        Ok(_) => Ok(Answer::ok(&Message { message: "User deleted" })),
        Err(DeleteRejection::NotFound) => Err(no_user()),
        Err(DeleteRejection::Guard(guard)) => Err(guarded(guard)),
        Err(DeleteRejection::Store(fault)) => Err(Answer::down(&fault)),
    }
}

async fn unlock(ask: &Ask) -> Reply {
    let person = ask.accounts.unlock(ask.by()?, &ask.named).await.map_err(|it| not_found(&it))?;
    Ok(Answer::ok(&ProfileBody::of(&person)))
}

async fn sessions(ask: &Ask) -> Reply {
    let sessions = ask.accounts.sessions_for_admin(ask.by()?, &ask.named).await;
    Ok(Answer::ok(&SessionsBody::of(sessions.map_err(|it| not_found(&it))?)))
}

async fn end_sessions(ask: &Ask) -> Reply {
    let ended = ask.accounts.end_sessions_for_admin(ask.by()?, &ask.named).await;
    let ended = ended.map_err(|it| not_found(&it))?;
    Ok(Answer::ok(&EndedBody { message: "Sessions ended", ended }))
}

fn not_found(rejection: &FindRejection) -> Answer {
    match rejection {
        FindRejection::NotFound => no_user(),
        FindRejection::Store(fault) => Answer::down(fault),
    }
}

fn no_user() -> Answer {
    Answer::detail(StatusCode::NOT_FOUND, "User not found")
}

fn guarded(guard: Guard) -> Answer {
    Answer::detail(
        StatusCode::BAD_REQUEST,
        match guard {
            Guard::OwnAccount => "You cannot delete your own account",
            Guard::OwnRights => "You cannot take away your own rights",
            Guard::LastAdmin => "The last admin cannot be removed, demoted or disabled",
        },
    )
}
