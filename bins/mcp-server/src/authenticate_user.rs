//! `authenticate_user`: a name and a password for a session token. The one tool for strangers; it
//! stands in no list, and reports its failures as its clients expect them: as errors of the
//! protocol.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcp_auth::{Attempt, Auth, LoginRejection, OpenedSession};
use mcp_identity::{Caller, Password};
use mcp_protocol::{
    Annotations, BoxFuture, Code, HoldOff, Implementation, RpcError, Server, Tool, ToolCall,
    ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use mcp_store::SessionScope;
use mcp_transport::Threshold;
use serde::{Deserialize, Serialize};
use serde_json::json;

const NAME: &str = "authenticate_user";

/// Said to whoever knows the password, and has to change it.
const CHANGE_FIRST: &str = "authentication failed: the password must be changed first: \
                            POST /auth/login answers with a token that is good for that";

/// The largest message that a stranger may send, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// What strangers may do where people have accounts.
pub(crate) fn threshold(auth: Auth, implementation: Implementation) -> Threshold {
    let server = Server::builder(implementation).tool(Arc::new(AuthenticateUser { auth })).build();
    Threshold { server: Arc::new(server), tool: NAME, max_body_bytes: MAX_BODY_BYTES }
}

struct AuthenticateUser {
    auth: Auth,
}

#[derive(Deserialize)]
struct Arguments {
    username: String,
    password: String,
}

/// The text of the result, its members in the documented order.
#[derive(Serialize)]
struct Authenticated<'a> {
    success: bool,
    session_token: &'a str,
    expires_at: String,
    message: &'static str,
}

impl Tool<Caller> for AuthenticateUser {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: NAME,
            title: "Authenticate user",
            description: "Opens a session for a user name and a password".into(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "username": { "type": "string" },
                    "password": { "type": "string" },
                },
                "required": ["username", "password"],
            }),
            output_schema: None,
            annotations: Annotations { read_only: false, idempotent: false, ..Annotations::READS },
            icons: Vec::new(),
        }
    }

    fn call<'a>(
        &'a self,
        call: ToolCall<'a, Caller>,
        output: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>> {
        Box::pin(async move {
            // Nothing of the text goes into the error: it may hold a password.
            let arguments: Arguments =
                serde_json::from_str(call.arguments.get()).map_err(|_| {
                    let message = "params.arguments must hold username and password, both strings";
                    ToolFailure::Refused(RpcError::invalid_params(message))
                })?;
            let attempt = Attempt {
                name: arguments.username,
                password: Password::presented(arguments.password),
                caller: call.principal.clone(),
            };
            // It goes on if the client leaves: an attempt that can be cut off before it counts is
            // not limited, and one that is cut off holds its place for nothing.
            let auth = self.auth.clone();
            let judged = tokio::spawn(async move { auth.log_in(&attempt).await }).await;
            let judged = judged.unwrap_or_else(|_| {
                Err(LoginRejection::Busy { retry_after: Duration::from_secs(1) })
            });
            match judged {
                Ok(opened) if opened.scope == SessionScope::PasswordChange => {
                    // Its token would open nothing here, and is told nobody.
                    return Err(ToolFailure::Refused(refused_with(CHANGE_FIRST, None)));
                }
                Ok(opened) => output.write(&authenticated(&opened)).await?,
                Err(rejection) => return Err(ToolFailure::Refused(refusal(&rejection))),
            }
            Ok(ToolResult::default())
        })
    }
}

fn authenticated(opened: &OpenedSession) -> String {
    let expires_at = Timestamp::try_from(opened.expires_at).unwrap_or(Timestamp::MAX);
    let answer = Authenticated {
        success: true,
        session_token: opened.token.expose(),
        expires_at: format!("{expires_at:.0}"),
        message: "Authentication successful",
    };
    // Strings and a bool: this cannot fail.
    serde_json::to_string(&answer).unwrap_or_default()
}

/// Unknown, wrong and locked look alike. That an account is disabled is told to whoever knows its
/// password.
fn refusal(rejection: &LoginRejection) -> RpcError {
    let (data, hold_off) = match rejection {
        LoginRejection::Refused(_) => ("authentication failed: invalid username or password", None),
        LoginRejection::Disabled => ("authentication failed: user account is disabled", None),
        LoginRejection::TooManyAttempts { retry_after } => (
            "too many failed authentication attempts from this IP address, please try again later",
            Some(hold_off(*retry_after, false)),
        ),
        LoginRejection::Busy { retry_after } => (
            "authentication failed: the server is busy, please try again later",
            Some(hold_off(*retry_after, true)),
        ),
        LoginRejection::Store(_) => (
            "authentication failed: the user store is not available, please try again later",
            Some(hold_off(Duration::from_secs(5), true)),
        ),
    };
    refused_with(data, hold_off)
}

fn refused_with(data: &'static str, hold_off: Option<HoldOff>) -> RpcError {
    let error = RpcError::new(Code::ToolExecution, "Tool execution error");
    RpcError { hold_off, ..error.with_data(data.into()) }
}

/// In whole seconds, rounded up, and at least one: who comes back as told is not sent away again.
fn hold_off(wait: Duration, busy: bool) -> HoldOff {
    let started = u64::from(wait.subsec_nanos() > 0);
    HoldOff { seconds: wait.as_secs().saturating_add(started).max(1), busy }
}
