//! What a handler knows of the client whose request it works on, and its way back to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::{Capability, ClientCapabilities, LogLevel};
use crate::conversation::Conversation;
use crate::output::{Gone, Messages, Part};
use crate::question::{Answers, Cause, Interruption, Question};
use crate::request_state::Given;
use crate::revision::Revision;

/// The client's side of one request. Whatever it offers, it offers in both eras alike.
pub struct Context<'a> {
    pub(crate) revision: Revision,
    pub(crate) capabilities: ClientCapabilities,
    /// The least grave message that the client wants to see; `None`: none at all.
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) progress_token: Option<&'a RawValue>,
    /// The progress told last, as bits; what does not exceed it is not told.
    pub(crate) progress: AtomicU64,
    pub(crate) messages: Messages,
    pub(crate) asking: Asking<'a>,
}

/// How questions reach this client.
pub(crate) enum Asking<'a> {
    /// It answers while the request waits.
    Now(&'a Conversation),
    /// It asks again and sends the answers along: those that came so far.
    Again(Given),
    /// They do not.
    Never,
}

impl Context<'_> {
    /// The revision that the client speaks.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether the client can be asked that.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.has(capability, self.revision)
    }

    /// Insists that the client can be asked that.
    ///
    /// # Errors
    /// When it did not say so.
    pub fn require(&self, capability: Capability) -> Result<(), Interruption> {
        if self.has(capability) { Ok(()) } else { Err(Interruption(Cause::Missing(capability))) }
    }

    /// Sends a log message, if the client wants to see such.
    ///
    /// # Errors
    /// [`Gone`]: nobody reads any more.
    pub async fn log(&self, level: LogLevel, logger: &str, data: &Value) -> Result<(), Gone> {
        if self.log_level.is_none_or(|least| level < least) {
            return Ok(());
        }
        let params = json!({ "level": level.as_str(), "logger": logger, "data": data });
        self.notify("notifications/message", &params.to_string()).await
    }

    /// Tells how far the work is, if the client asked for that. Only what exceeds the progress
    /// told before is told.
    ///
    /// # Errors
    /// [`Gone`]: nobody reads any more.
    pub async fn progress(
        &self,
        progress: f64,
        total: Option<f64>,
        message: Option<&str>,
    ) -> Result<(), Gone> {
        let Some(token) = self.progress_token else { return Ok(()) };
        let before = f64::from_bits(self.progress.load(Ordering::Relaxed));
        if !progress.is_finite() || progress <= before {
            return Ok(());
        }
        self.progress.store(progress.to_bits(), Ordering::Relaxed);
        // The token goes back to the byte: a client compares it as it wrote it.
        let mut params = format!(r#"{{"progressToken":{token},"progress":{}"#, json!(progress));
        if let Some(total) = total {
            let _ = write!(params, r#","total":{}"#, json!(total));
        }
        if let Some(message) = message {
            let _ = write!(params, r#","message":{}"#, json!(message));
        }
        params.push('}');
        self.notify("notifications/progress", &params).await
    }

    /// Asks one question and waits for its answer.
    ///
    /// # Errors
    /// See [`Context::ask_all`].
    pub async fn ask(&self, key: &str, question: Question) -> Result<Value, Interruption> {
        let answers = self.ask_all([(key, question)]).await?;
        Ok(answers.get(key).clone())
    }

    /// Asks several questions at once. In the modern era a handler runs anew with each round of
    /// answers: ask before doing anything that must not happen twice, and under the same keys.
    ///
    /// # Errors
    /// An [`Interruption`] when there are no answers now, or never will be. Hand it on.
    pub async fn ask_all(
        &self,
        questions: impl IntoIterator<Item = (&str, Question)> + Send,
    ) -> Result<Answers, Interruption> {
        let questions: BTreeMap<_, _> =
            questions.into_iter().map(|(key, question)| (key.to_owned(), question)).collect();
        if questions.is_empty() {
            return Ok(Answers::default());
        }
        for question in questions.values() {
            self.require(question.capability())?;
        }
        match &self.asking {
            Asking::Now(conversation) => self.ask_now(conversation, questions).await,
            Asking::Again(given) => answered(given, questions),
            Asking::Never => Err(unanswered("this client cannot be asked anything")),
        }
    }

    /// Lets the client go while the work goes on: it asks for the rest later. Where the
    /// transport cannot do that, nothing happens.
    ///
    /// # Errors
    /// [`Gone`]: nobody reads any more.
    pub async fn let_go(&self) -> Result<(), Gone> {
        self.messages.send(Part::LetGo).await
    }

    async fn ask_now(
        &self,
        conversation: &Conversation,
        questions: BTreeMap<String, Question>,
    ) -> Result<Answers, Interruption> {
        if !self.messages.reach_the_client() {
            return Err(unanswered("this client takes no event stream, and cannot be asked"));
        }
        let mut answers = BTreeMap::new();
        let mut open = Vec::new();
        for (key, question) in questions {
            let place =
                conversation.ask().ok_or_else(|| unanswered("the client can be asked no more"))?;
            let mut request = question.to_json();
            request["jsonrpc"] = json!("2.0");
            request["id"] = json!(place.id);
            self.messages.send(Part::Message(request.to_string().into_bytes())).await?;
            open.push((key, question, place));
        }
        for (key, question, place) in open {
            let answer = place.answer().await;
            let answer = answer.filter(|answer| question.accepts(answer));
            answers.insert(key, answer.ok_or_else(|| unanswered("the client did not answer"))?);
        }
        Ok(Answers(answers))
    }

    /// `params` is JSON.
    async fn notify(&self, method: &str, params: &str) -> Result<(), Gone> {
        if !self.messages.reach_the_client() {
            return Ok(());
        }
        let message = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        self.messages.send(Part::Message(message.into_bytes())).await
    }
}

/// The answers that came along, or the questions that are still without one.
fn answered(given: &Given, questions: BTreeMap<String, Question>) -> Result<Answers, Interruption> {
    let mut answers = BTreeMap::new();
    let mut missing = BTreeMap::new();
    for (key, question) in questions {
        match given.answer(&key) {
            Some(answer) if question.accepts(answer) => {
                answers.insert(key, answer.clone());
            }
            // One that is of no use is asked for again.
            _ => {
                missing.insert(key, question);
            }
        }
    }
    if missing.is_empty() {
        Ok(Answers(answers))
    } else {
        Err(Interruption(Cause::AskAgain(missing)))
    }
}

fn unanswered(why: &str) -> Interruption {
    Interruption(Cause::Unanswered(why.into()))
}
