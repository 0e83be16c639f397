//! What a server may ask of its client, and what comes back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::Capability;
use crate::output::Gone;

/// Something that only the client's side can answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Its user fills in a form.
    Elicit {
        /// What the user reads.
        message: String,
        /// JSON Schema of the form: an object of primitive properties.
        schema: Value,
    },
    /// Its model completes a conversation.
    Sample {
        /// The parameters of `sampling/createMessage`.
        params: Value,
    },
    /// It names the places that it works in.
    ListRoots,
}

impl Question {
    /// What the client must be able to do.
    #[must_use]
    pub fn capability(&self) -> Capability {
        match self {
            Self::Elicit { .. } => Capability::Elicitation,
            Self::Sample { .. } => Capability::Sampling,
            Self::ListRoots => Capability::Roots,
        }
    }

    /// The request as both eras write it, without its envelope.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Elicit { message, schema } => json!({
                "method": "elicitation/create",
                "params": { "message": message, "requestedSchema": schema },
            }),
            Self::Sample { params } => {
                json!({ "method": "sampling/createMessage", "params": params })
            }
            Self::ListRoots => json!({ "method": "roots/list", "params": {} }),
        }
    }

    /// Whether `answer` has the shape that the protocol gives it. What a form holds is for its
    /// asker to check: a client may send anything.
    pub(crate) fn accepts(&self, answer: &Value) -> bool {
        match self {
            Self::Elicit { .. } => {
                matches!(answer["action"].as_str(), Some("accept" | "decline" | "cancel"))
                    && matches!(&answer["content"], Value::Object(_) | Value::Null)
            }
            Self::Sample { .. } => {
                answer["role"].is_string()
                    && matches!(&answer["content"], Value::Object(_) | Value::Array(_))
            }
            Self::ListRoots => answer["roots"].is_array(),
        }
    }
}

/// The client's answers, by the key that each question was asked under. Every question has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers(pub(crate) BTreeMap<String, Value>);

impl Answers {
    /// The result that the client sent: an `ElicitResult`, a `CreateMessageResult` or a
    /// `ListRootsResult`. `Null` for a key that was not asked.
    #[must_use]
    pub fn get(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }
}

/// Why a question has no answer now. A handler hands it on with `?`; the dispatch knows what to
/// do with it.
#[derive(Debug)]
pub struct Interruption(pub(crate) Cause);

#[derive(Debug)]
pub(crate) enum Cause {
    /// Modern: the result of this request is the question; the client asks again with answers.
    AskAgain(BTreeMap<String, Question>),
    /// The client cannot be asked that.
    Missing(Capability),
    /// The question cannot be put, or was not answered as it should be.
    Unanswered(String),
    /// Nobody is left to ask.
    Gone,
}

impl From<Gone> for Interruption {
    fn from(Gone: Gone) -> Self {
        Self(Cause::Gone)
    }
}
