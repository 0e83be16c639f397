//! `mail`: does a letter get out?

mod hints;
mod outbox;

use mcp_identity::{Entropy as _, SystemEntropy};
use mcp_mail::{Address, Done, Letter, Line, Outbox as _, Postmark};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use self::outbox::Configured;
use crate::cli::MailCommand;
use crate::desk::Desk;
use crate::output::{Fault, Output, escaped};

pub(crate) fn run(command: &MailCommand, desk: &Desk) -> Result<(), Fault> {
    match command {
        MailCommand::Test { address } => test(address, desk),
    }
}

fn test(address: &str, desk: &Desk) -> Result<(), Fault> {
    let to = Address::parse(address)
        .map_err(|rejection| Fault::usage(format!("not an address: {rejection}")))?;
    let outbox = outbox::configured(desk.config()?)?;
    let letter = letter(to, &outbox.place())?;
    let mut id = [0; 16];
    SystemEntropy.fill(&mut id).map_err(Fault::from_failure)?;
    let mut log = StepLog { output: desk.output, told: Vec::new() };
    let sent = send(&outbox, &letter, &Postmark { at: desk.now, id }, &mut log);
    let words = match (&sent, &outbox) {
        (Err(_), _) => String::new(),
        (Ok(()), Configured::Smtp(_)) => {
            format!("Sent: look into the mailbox of {}, and among its spam\n", letter.to())
        }
        (Ok(()), Configured::Directory(_)) => {
            "Written: from a directory a letter reaches nobody by itself\n".to_owned()
        }
    };
    let (to, is_sent) = (letter.to().to_string(), sent.is_ok());
    desk.output.tell(&words, &json!({ "to": to, "steps": log.told, "sent": is_sent }))?;
    sent
}

/// The letter, which tells its reader what it is.
fn letter(to: Address, place: &str) -> Result<Letter, Fault> {
    let subject = Line::parse("Test letter of mcp-server").map_err(Fault::from_failure)?;
    let text = format!(
        "This letter was sent by `mcp-admin mail test` through {place}.\n\n\
         It reached you, so other letters of mcp-server can: links for a new password, and word \
         of what happens to an account.\n\nNothing has to be done about it.\n"
    );
    Letter::new(to, subject, &text).map_err(Fault::from_failure)
}

fn send(
    outbox: &Configured,
    letter: &Letter,
    postmark: &Postmark,
    log: &mut StepLog,
) -> Result<(), Fault> {
    // The desk's own runtime knows no sockets: nothing else here needs them.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Fault::from_failure)?;
    let sent = match outbox {
        Configured::Smtp(outbox) => {
            let mut tell = |done: Done| log.say(done.step.as_str(), &done.detail);
            runtime.block_on(outbox.send_telling(letter, postmark, &mut tell))
        }
        Configured::Directory(outbox) => {
            let written = runtime.block_on(outbox.send(letter, postmark));
            written.inspect(|()| log.say("write", &outbox.file(postmark).display().to_string()))
        }
    };
    sent.map_err(|error| hints::explained(&error))
}

/// The steps as the operator sees them: each on a line once it is taken, or all in one document
/// at the end.
struct StepLog {
    output: Output,
    told: Vec<Value>,
}

impl StepLog {
    fn say(&mut self, step: &str, detail: &str) {
        self.output.progress(&format!("{step:<9} {}\n", escaped(detail)));
        self.told.push(json!({ "step": step, "detail": detail }));
    }
}
