//! Letters sent, one after the other.
//!
//! ```text
//!   claim ──▶ look the account up ──▶ nobody: forget the letter
//!                  │
//!                  ▼ mint a link, put the letter together, send it
//!             taken ──▶ forget it        not now ──▶ wait, twice as long each time, and mint anew
//!                                        never, or too often ──▶ forget it, and record that
//! ```

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_identity::{
    Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, Clock, Entropy, Subject, UserName,
};
use mcp_mail::{Address, Letter, Outbox, Postmark};
use mcp_store::{LetterMatter, QueuedLetter, RecoveryStore, StoreError, UserRecord, Whom};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::letters::MailTexts;
use super::link::{MintRejection, mint_link};
use super::locks::LockWords;

/// A letter is one server's for so long: longer than any attempt takes.
const CLAIM: Duration = Duration::from_mins(10);
/// An attempt that takes longer is over, whatever the outbox allows.
const ATTEMPT: Duration = Duration::from_mins(8);
/// The wait before the second attempt; each further one is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_mins(15);
/// Attempts at one letter: the last is made some quarter of an hour after the first.
const ATTEMPTS: u32 = 6;
/// How often it is looked for what others left to be sent.
const LOOK: Duration = Duration::from_secs(5);
/// What is under way when the server stops has so long.
const GRACE: Duration = Duration::from_secs(10);

/// What a mailroom is made of.
#[derive(Clone)]
pub struct MailroomParts {
    /// Where letters wait.
    pub store: Arc<dyn RecoveryStore>,
    /// What carries them away.
    pub outbox: Arc<dyn Outbox>,
    /// What stands in them.
    pub texts: MailTexts,
    /// How long a link holds.
    pub link_life: Duration,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Where what became of letters is recorded.
    pub audit: Arc<dyn AuditLog>,
    /// Rings when there is something to be sent.
    pub bell: Arc<Notify>,
    /// Who was locked, if letters tell of it.
    pub locks: Option<LockWords>,
}

/// Sends what waits to be sent. Several may work over one store, in one process or many.
#[must_use = "no letter is sent until `run` is awaited"]
pub struct Mailroom {
    parts: MailroomParts,
}

/// What is to be done about a letter.
enum Sorted {
    /// It goes to that account.
    To(UserName, Letter),
    /// There is nobody to whom it could go.
    Nobody,
    /// It is of no use any more, or cannot be put together.
    Void(Subject, &'static str),
    /// Nothing can be sent just now.
    Later,
}

impl Mailroom {
    /// Over these parts.
    pub fn new(parts: MailroomParts) -> Self {
        Self { parts }
    }

    /// Sends until `shutdown` ends; what is under way then is finished, if that does not take long.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let work = || self.work(stopping.clone());
        // A letter that the mail server thinks about for long does not hold up all others.
        let working = async { tokio::join!(work(), work(), work(), work()) };
        let (mut working, mut listening) = (pin!(working), pin!(self.hear()));
        tokio::select! {
            _ = &mut working => {}
            () = &mut listening => {}
            () = shutdown => {
                stop.send_replace(true);
                // Those that are cut off are due again in a while.
                let _ = timeout(GRACE, working).await;
            }
        }
    }

    /// Keeps word of locks. Never ends.
    async fn hear(&self) {
        let Some(locks) = &self.parts.locks else { return std::future::pending().await };
        loop {
            let matter = LetterMatter::Locked(locks.next().await);
            match self.parts.store.ask_letter(matter, self.now()).await {
                Ok(()) => self.parts.bell.notify_one(),
                Err(error) => tracing::warn!(error = %error, "A lock is told to nobody"),
            }
        }
    }

    async fn work(&self, mut stopping: watch::Receiver<bool>) {
        let mut is_down = false;
        while !*stopping.borrow() {
            let now = self.now();
            let until = now.checked_add(CLAIM).unwrap_or(now);
            let claimed = self.parts.store.claim_letter(now, until).await;
            let was_down = std::mem::replace(&mut is_down, claimed.is_err());
            match claimed {
                Ok(Some(letter)) => self.handle(letter).await,
                Ok(None) => self.wait(&mut stopping).await,
                Err(error) => {
                    // Once for each outage.
                    if !was_down {
                        tracing::warn!(error = %error, "Letters to be sent cannot be read");
                    }
                    self.wait(&mut stopping).await;
                }
            }
        }
    }

    async fn wait(&self, stopping: &mut watch::Receiver<bool>) {
        tokio::select! {
            () = self.parts.bell.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.changed() => {}
        }
    }

    async fn handle(&self, letter: QueuedLetter) {
        if let Err(error) = self.send(&letter).await {
            // It is due again when the claim is over.
            tracing::warn!(error = %error, "A letter waits for its store");
        }
    }

    async fn send(&self, letter: &QueuedLetter) -> Result<(), StoreError> {
        let (user, composed) = match self.sort(letter).await? {
            Sorted::To(user, composed) => (user, composed),
            Sorted::Nobody => {
                let outcome = AuditOutcome::Refused("no_recipient");
                return self.give_up(letter, outcome, Subject::UnknownUser).await;
            }
            Sorted::Void(subject, why) => {
                return self.give_up(letter, AuditOutcome::Failed(why), subject).await;
            }
            Sorted::Later => return self.put_off(letter).await,
        };
        let Some(postmark) = self.postmark() else { return self.put_off(letter).await };
        let sending = self.parts.outbox.send(&composed, &postmark);
        match timeout(ATTEMPT, sending).await {
            Ok(Ok(())) => self.give_up(letter, AuditOutcome::Done, Subject::User(user)).await,
            Ok(Err(error)) if error.is_permanent() || letter.claim.attempt >= ATTEMPTS => {
                tracing::error!(error = %error, "A letter could not be sent");
                self.give_up(letter, AuditOutcome::Failed("mail"), Subject::User(user)).await
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "A letter could not be sent yet");
                self.put_off(letter).await
            }
            Err(_) if letter.claim.attempt >= ATTEMPTS => {
                self.give_up(letter, AuditOutcome::Failed("mail"), Subject::User(user)).await
            }
            Err(_) => self.put_off(letter).await,
        }
    }

    async fn sort(&self, letter: &QueuedLetter) -> Result<Sorted, StoreError> {
        match &letter.matter {
            LetterMatter::ResetLink(address) => self.sort_link(letter, address).await,
            LetterMatter::PasswordReset(user) => {
                let write = |to, user: &UserName| self.parts.texts.confirmation(to, user);
                Ok(sorted(self.recipient(letter, user).await?, write))
            }
            LetterMatter::Locked(user) => {
                let write = |to, user: &UserName| self.parts.texts.locked(to, user);
                Ok(sorted(self.recipient(letter, user).await?, write))
            }
        }
    }

    async fn sort_link(&self, letter: &QueuedLetter, address: &str) -> Result<Sorted, StoreError> {
        let MailroomParts { store, entropy, texts, link_life, .. } = &self.parts;
        let now = self.now();
        if now.duration_since(letter.asked_at).is_ok_and(|waited| waited >= *link_life) {
            return Ok(Sorted::Void(Subject::None, "too_late"));
        }
        let whom = Whom::Address(address.to_owned());
        let minted = mint_link(&**store, &**entropy, whom, &texts.public_url, now, *link_life);
        let link = match minted.await {
            Ok(link) => link,
            Err(MintRejection::NotFound) => return Ok(Sorted::Nobody),
            Err(MintRejection::Store(error)) => return Err(error),
            Err(MintRejection::Entropy(error)) => {
                tracing::error!(error = %error, "A link cannot be minted");
                return Ok(Sorted::Later);
            }
        };
        let write = |to, user: &UserName| texts.reset(to, user, link.expose(), *link_life);
        Ok(sorted(Some(link.record.clone()), write))
    }

    /// The account, if it was there when the letter was asked for.
    async fn recipient(
        &self,
        letter: &QueuedLetter,
        user: &UserName,
    ) -> Result<Option<UserRecord>, StoreError> {
        let account = self.parts.store.find_account(user).await?;
        let record = account.map(|account| account.record);
        Ok(record.filter(|record| record.created_at <= letter.asked_at))
    }

    fn postmark(&self) -> Option<Postmark> {
        let mut id = [0; 16];
        self.parts.entropy.fill(&mut id).ok()?;
        Some(Postmark { at: self.now(), id })
    }

    async fn put_off(&self, letter: &QueuedLetter) -> Result<(), StoreError> {
        let now = self.now();
        let due = now.checked_add(wait_after(letter.claim.attempt)).unwrap_or(now);
        self.parts.store.postpone_letter(letter.claim, due).await.map(drop)
    }

    /// Nothing more is to be done about it.
    async fn give_up(
        &self,
        letter: &QueuedLetter,
        outcome: AuditOutcome,
        subject: Subject,
    ) -> Result<(), StoreError> {
        let action = AuditAction::SendLetter;
        let event = AuditEvent::new(self.now(), action, outcome, subject, Actor::Server);
        self.parts.audit.record(event);
        self.parts.store.finish_letter(letter.claim).await.map(drop)
    }

    fn now(&self) -> SystemTime {
        self.parts.clock.now()
    }
}

/// A letter goes to the address in the record, and to no other.
fn sorted<E>(
    record: Option<UserRecord>,
    write: impl FnOnce(Address, &UserName) -> Result<Letter, E>,
) -> Sorted {
    let Some(record) = record else { return Sorted::Nobody };
    let address = record.email.as_deref().and_then(|email| Address::parse(email).ok());
    let Some(address) = address else {
        return Sorted::Void(Subject::User(record.name), "no_address");
    };
    match write(address, &record.name) {
        Ok(letter) => Sorted::To(record.name, letter),
        Err(_) => Sorted::Void(Subject::User(record.name), "letter"),
    }
}

/// The wait after that attempt.
fn wait_after(attempt: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_the_longest() {
        let waits: Vec<_> = (1..=7).map(|attempt| wait_after(attempt).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }
}
