//! What would mend a letter that did not get out.

use mcp_mail::{Fault as Reason, SendError, Step};

use crate::output::Fault;

/// The failure with the way out. What passes by itself, or is the server's own trouble, is no
/// refusal.
pub(super) fn explained(error: &SendError) -> Fault {
    let message = error.to_string();
    let fault = match error.fault() {
        Reason::TimedOut(_) | Reason::Closed | Reason::Io(_) | Reason::Unfit => {
            Fault::ours(message)
        }
        Reason::Refused { code, .. } if *code < 500 => Fault::ours(message),
        Reason::Refused { .. }
        | Reason::NoTls
        | Reason::SpokeBeforeTls
        | Reason::Untrusted(_)
        | Reason::WrongName(_)
        | Reason::Tls(_)
        | Reason::NoLogin
        | Reason::NotSmtp(_)
        | Reason::NeedsUtf8 => Fault::refused(message),
    };
    fault.maybe_hint(way_out(error).map(str::to_owned))
}

fn way_out(error: &SendError) -> Option<&'static str> {
    let by_reason = match error.fault() {
        Reason::NoTls => Some("is there TLS on port 465 (smtp.tls: true)? ask who runs the server"),
        Reason::SpokeBeforeTls => {
            Some("somebody may stand between: try smtp.tls: true, and ask who runs the server")
        }
        Reason::Untrusted(_) => {
            Some("if the authority is your own, name its certificate: smtp.ca_file")
        }
        Reason::WrongName(_) => Some("smtp.host has to be a name that the certificate bears"),
        Reason::NoLogin => Some("a server that wants no login: remove smtp.user and smtp.password"),
        Reason::NeedsUtf8 => Some("test with an address in ASCII, or use a server with SMTPUTF8"),
        Reason::Refused { code, .. } if *code < 500 => {
            Some("it is a no for now: try again in some minutes")
        }
        Reason::TimedOut(_) | Reason::Closed if error.step() >= Step::Hello => {
            Some("try again; if it stays so, ask who runs the server")
        }
        Reason::Tls(_)
        | Reason::NotSmtp(_)
        | Reason::Io(_)
        | Reason::TimedOut(_)
        | Reason::Closed
        | Reason::Refused { .. }
        | Reason::Unfit => None,
    };
    by_reason.or_else(|| by_step(error.step()))
}

fn by_step(step: Step) -> Option<&'static str> {
    match step {
        Step::Connect => Some("are smtp.host and smtp.port right, and does a firewall let it out?"),
        Step::Greeting => Some("a silent server may wait for TLS: smtp.tls: true, on port 465"),
        Step::Tls => Some("port 587 begins without TLS: smtp.starttls: true in place of smtp.tls"),
        Step::Login => {
            Some("check smtp.user and smtp.password; many providers want one made for programs")
        }
        Step::Sender => Some("may smtp.user send from smtp.from_email?"),
        Step::Recipient => Some("is the address right, and does this server take letters for it?"),
        Step::Write => Some("mail.outbox has to name a directory that mcp-server may write to"),
        Step::Compose | Step::StartTls | Step::Hello | Step::Content => None,
    }
}
