//! What kept a letter from being taken, at which step, and whether it will be another time.

use std::fmt;
use std::time::Duration;

/// The steps of one attempt, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Headers and parts put together.
    Compose,
    /// Written into a directory.
    Write,
    /// The server's name looked up, and one of its addresses reached.
    Connect,
    /// The server's first words.
    Greeting,
    /// The server asked to begin with TLS.
    StartTls,
    /// The handshake, and the certificate looked at.
    Tls,
    /// Who we are, and what the server can do.
    Hello,
    /// User and password.
    Login,
    /// Whom the letter is from.
    Sender,
    /// Whom it is to.
    Recipient,
    /// The letter itself.
    Content,
}

impl Step {
    /// The step in a word or two, for the operator.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Write => "write",
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::StartTls => "STARTTLS",
            Self::Tls => "TLS",
            Self::Hello => "hello",
            Self::Login => "login",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Content => "letter",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong in a step. What a server said is on one line, cut, and without the password
/// or a word of the letter that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The system said no: no such host, nobody listening, no space.
    #[error("{0}")]
    Io(String),
    /// The step was not over in time.
    #[error("not done within {0:?}")]
    TimedOut(Duration),
    /// The server hung up.
    #[error("the server closed the connection")]
    Closed,
    /// The server does not offer STARTTLS, or someone on the way took the offer out.
    #[error("the server does not offer it; nothing was sent in the clear")]
    NoTls,
    /// The server said something before TLS began that was to be taken for its word afterwards.
    #[error("the server spoke on before TLS began; nothing it said is believed")]
    SpokeBeforeTls,
    /// The certificate does not lead to an authority that is trusted.
    #[error("the certificate is not of an authority that is trusted ({0})")]
    Untrusted(String),
    /// The certificate is another host's.
    #[error("the certificate is not for {0}")]
    WrongName(String),
    /// The handshake failed in another way.
    #[error("{0}")]
    Tls(String),
    /// The server takes no password, or in no way that we know.
    #[error("the server offers no login by PLAIN or LOGIN")]
    NoLogin,
    /// The server refused.
    #[error("{code} {text}")]
    Refused {
        /// Its three digits (RFC 5321 §4.2).
        code: u16,
        /// Its words.
        text: String,
    },
    /// The server speaks, and not SMTP.
    #[error("unexpected answer: {0}")]
    NotSmtp(String),
    /// The address has letters beyond ASCII before the `@`, which this server does not take.
    #[error("the server takes no address with letters beyond ASCII (SMTPUTF8)")]
    NeedsUtf8,
    /// The letter could not be put together: a fault of this build.
    #[error("the letter cannot be put together")]
    Unfit,
}

/// A letter that was not taken. `Display` is for the operator: which server, which step, what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {step}: {fault}")]
pub struct SendError {
    place: String,
    step: Step,
    fault: Fault,
}

impl SendError {
    pub(crate) fn new(place: &str, step: Step, fault: Fault) -> Self {
        Self { place: place.to_owned(), step, fault }
    }

    /// The step that failed.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// What was wrong.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Is another attempt of no use? It is where the server turns down this letter for good: its
    /// sender, its recipient or its content (5xx). Whatever else fails may be mended, by time or
    /// by the operator (a wrong password, a certificate that ran out), and the letter still be
    /// wanted then.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match &self.fault {
            Fault::Refused { code, .. } => *code >= 500 && self.step >= Step::Sender,
            Fault::NeedsUtf8 | Fault::Unfit => true,
            Fault::Io(_)
            | Fault::TimedOut(_)
            | Fault::Closed
            | Fault::NoTls
            | Fault::SpokeBeforeTls
            | Fault::Untrusted(_)
            | Fault::WrongName(_)
            | Fault::Tls(_)
            | Fault::NoLogin
            | Fault::NotSmtp(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_final_no_to_the_letter_itself_is_permanent() {
        let refused = |step, code| {
            let fault = Fault::Refused { code, text: "x".into() };
            SendError::new("mail.example:587", step, fault).is_permanent()
        };
        for step in [Step::Sender, Step::Recipient, Step::Content] {
            assert!(refused(step, 550) && !refused(step, 450));
        }
        for step in [Step::Greeting, Step::StartTls, Step::Hello, Step::Login] {
            assert!(!refused(step, 554) && !refused(step, 421));
        }
        let timed_out = Fault::TimedOut(Duration::from_secs(15));
        assert!(!SendError::new("x", Step::Content, timed_out).is_permanent());
    }

    #[test]
    fn an_error_names_the_server_and_the_step() {
        let fault = Fault::Refused { code: 550, text: "no such user".into() };
        let error = SendError::new("mail.example:587", Step::Recipient, fault);
        assert_eq!(error.to_string(), "mail.example:587: recipient: 550 no such user");
    }
}
