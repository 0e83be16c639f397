//! Suggestions while a person fills in an argument.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A request for suggestions.
pub struct CompletionCall<'a, P> {
    /// Who asks.
    pub principal: &'a P,
    /// The argument, or the variable of a template.
    pub argument: &'a str,
    /// What stands there so far.
    pub value: &'a str,
    /// The other arguments that are filled in already (since 2025-06-18).
    pub arguments: &'a BTreeMap<String, String>,
}

/// Suggestions, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The values. More than [`Completion::MAX_VALUES`] are not sent.
    pub values: Vec<String>,
    /// How many there are in all, if known.
    pub total: Option<usize>,
}

impl Completion {
    /// The most values that the protocol takes.
    pub const MAX_VALUES: usize = 100;

    /// All of `values`.
    #[must_use]
    pub fn of(values: Vec<String>) -> Self {
        Self { total: Some(values.len()), values }
    }

    pub(crate) fn to_json(&self) -> Value {
        let sent = self.values.get(..Self::MAX_VALUES).unwrap_or(&self.values);
        let more =
            sent.len() < self.values.len() || self.total.is_some_and(|total| total > sent.len());
        let mut completion = json!({ "values": sent, "hasMore": more });
        if let Some(total) = self.total {
            completion["total"] = json!(total);
        }
        json!({ "completion": completion })
    }
}
