//! What must be true after a run, whatever happened in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;

use sha2::{Digest as _, Sha256};

use crate::case::{Case, Ground, Kept, Ran};
use crate::fault::Fault;
use crate::table::{Program, Row, Subject};
use crate::{start, trace};

/// What a process dies of that writes more than it may, and of nothing else here.
const SIGXFSZ: i32 = 25;
pub(crate) const SIGKILL: i32 = 9;

/// What lies beside an `SQLite` database while it is open, or was when its process died; the next
/// one that opens and closes it makes them part of it.
const SIDECARS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How the command goes without a fault.
pub(crate) struct Reference {
    pub(crate) trace: String,
    pub(crate) folder: String,
    /// The file before and after.
    before: Option<Kept>,
    pub(crate) after: Kept,
    stdout: String,
    /// What lies in the folder afterwards.
    names: BTreeSet<String>,
}

/// Which of the two files lies there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Old,
    New,
}

impl Reference {
    /// Runs the command once in peace, and holds that it does what its row says.
    pub(crate) fn of(ground: &Ground, row: &Row) -> Result<Self, String> {
        let case = ground.case(row);
        let before = case.kept();
        let (ran, trace) = case.run(Fault::None);
        let after = case.kept();
        let after = after.filter(|_| ran.status.code() == Some(row.program.ends()));
        let Some(after) = after else {
            return Err(format!("it does not work without a fault: {}", ran.stderr));
        };
        if before.as_ref() == Some(&after) {
            return Err("it changes nothing".to_owned());
        }
        if let Some(file) = case.in_wrong_hands() {
            return Err(format!("it leaves a file in wrong hands: {file}"));
        }
        let folder = case.path().to_string_lossy().into_owned();
        trace::order(row.program, &trace, &folder, row.file)?;
        let names = case.names();
        Ok(Self { trace, folder, before, after, stdout: ran.stdout, names })
    }
}

/// Everything that has to hold after a run with this fault.
pub(crate) fn judge(
    case: &Case<'_>,
    row: &Row,
    reference: &Reference,
    fault: Fault<'_>,
    ran: &Ran,
) -> Result<(), String> {
    let kept = case.kept();
    let state = state(row, reference, kept.as_ref())?;
    exit(row.program, fault, ran)?;
    if let Some(kept) = &kept {
        if kept.rights() != reference.after.rights() {
            return Err(format!("the file is in wrong hands: {}", kept.rights()));
        }
        let listed = case.admin(row.list);
        ended_well(&listed, "the list afterwards")?;
    }
    match row.program {
        Program::Admin => told(row, reference, fault, ran, (state, kept.as_ref()))?,
        Program::Server => start::told(fault, ran, state)?,
    }
    if fault.leaves_a_voice() {
        no_strangers_yet(case, reference, "right after it")?;
    }
    afterwards(case, row, reference, kept.as_ref())?;
    let printed = tokens(&ran.stdout).into_iter();
    for secret in printed.chain(row.secret.map(str::to_owned)) {
        if let Some(name) = case.file_with(&secret) {
            return Err(format!("a secret stands in {name} in plain"));
        }
    }
    Ok(())
}

/// Old or new, byte for byte but for what is another in each run.
fn state(row: &Row, reference: &Reference, kept: Option<&Kept>) -> Result<State, String> {
    let old = reference.before.as_ref().map(|kept| kept.text.as_str());
    let text = kept.map(|kept| kept.text.as_str());
    if text == old {
        return Ok(State::Old);
    }
    let text = text.ok_or("the file is gone")?;
    let steady = |text| steady(text, old.unwrap_or_default(), row.volatile);
    if steady(text) == steady(&reference.after.text) {
        return Ok(State::New);
    }
    Err(format!("the file is neither the old one nor the new one:\n{text}"))
}

/// The text, without the values that no two runs have in common. What was there before counts.
fn steady(text: &str, old: &str, volatile: &[&str]) -> Vec<String> {
    let line = |line: &str| {
        let (key, _) = line.split_once(':').unwrap_or((line, ""));
        let name = key.trim_start_matches([' ', '-']);
        let is_new = !old.lines().any(|known| known == line);
        if is_new && volatile.contains(&name) { format!("{key}: *") } else { line.to_owned() }
    };
    text.split('\n').map(line).collect()
}

fn exit(program: Program, fault: Fault<'_>, ran: &Ran) -> Result<(), String> {
    let signal = ran.status.signal();
    let ended = ran.status.code().is_some_and(|code| code == program.ends() || code == 2);
    let fine = match fault {
        Fault::Kill(_) => signal == Some(SIGKILL),
        Fault::Torn(_) => signal == Some(SIGXFSZ) || ended,
        _ => ended,
    };
    if fine { Ok(()) } else { Err(format!("it ended with {}:\n{}", ran.status, ran.stderr.trim())) }
}

/// What was said agrees with what is in the file.
fn told(
    row: &Row,
    reference: &Reference,
    fault: Fault<'_>,
    ran: &Ran,
    (state, kept): (State, Option<&Kept>),
) -> Result<(), String> {
    let text = kept.map_or("", |kept| &kept.text);
    for token in tokens(&ran.stdout) {
        if !text.contains(&digest(&token)) {
            return Err("a token was printed that is not in the file".to_owned());
        }
    }
    if !tokens(&ran.stderr).is_empty() {
        return Err("a token is in a message".to_owned());
    }
    if !ran.stdout.is_empty() && state == State::Old {
        return Err(format!("it told of a change that is not in the file: {}", ran.stdout));
    }
    match ran.status.code() {
        Some(0) => succeeded(row, reference, ran, state),
        Some(_) if !ran.stdout.is_empty() => {
            Err(format!("it failed and told of success: {}", ran.stdout))
        }
        Some(_) if fault.leaves_a_voice() => failed(row, reference, ran, (state, text)),
        _ => Ok(()),
    }
}

fn succeeded(row: &Row, reference: &Reference, ran: &Ran, state: State) -> Result<(), String> {
    if state == State::Old {
        return Err("exit 0, and the change is not in the file".to_owned());
    }
    let lines = |text: &str| text.lines().count();
    let minted = tokens(&ran.stdout).len();
    if lines(&ran.stdout) == lines(&reference.stdout) && minted == usize::from(row.mints) {
        return Ok(());
    }
    Err(format!("exit 0, and it did not say all: {:?}", ran.stdout))
}

fn failed(
    row: &Row,
    reference: &Reference,
    ran: &Ran,
    (state, text): (State, &str),
) -> Result<(), String> {
    if ran.stderr.trim().is_empty() {
        return Err("it failed and did not say why".to_owned());
    }
    let subject = match row.subject {
        Subject::Known(subject) => subject,
        Subject::NewId => new_id(text, reference),
    };
    if state == State::New && !ran.stderr.contains(subject) {
        let said = ran.stderr.trim();
        return Err(format!("the change is in the file and the message does not name it: {said}"));
    }
    if state == State::Old && ran.stderr.contains("the change is in the file") {
        return Err("the message tells of a change that is not in the file".to_owned());
    }
    Ok(())
}

/// The id that was not there before; words that no message has, if there is none.
fn new_id<'a>(text: &'a str, reference: &Reference) -> &'a str {
    let old = reference.before.as_ref().map_or("", |kept| &kept.text);
    let is_new = |line: &&str| !old.lines().any(|known| known == *line);
    let ids = text.lines().filter(is_new).filter_map(|line| line.split_once("id: "));
    ids.map(|(_, id)| id).next().unwrap_or("no new id")
}

/// The next commands need no help: by the owner, and by whoever ran the one that failed.
fn afterwards(
    case: &Case<'_>,
    row: &Row,
    reference: &Reference,
    kept: Option<&Kept>,
) -> Result<(), String> {
    ended_well(&case.admin_as_owner(row.next[0]), "the owner's next command")?;
    no_strangers(case, reference, "after the next command")?;
    ended_well(&case.admin(row.next[1]), "our next command")?;
    let after = case.kept().ok_or("the next command left no file")?;
    if let Some(file) = case.in_wrong_hands() {
        return Err(format!("a file is in wrong hands in the end: {file}"));
    }
    let lost = kept.into_iter().flat_map(|kept| kept.text.lines());
    let mut lost = lost.filter(|line| !after.text.lines().any(|still| still == *line));
    if let Some(line) = lost.next() {
        return Err(format!("the next command lost a line: {line}"));
    }
    ended_well(&case.admin(row.list), "the list at the end")
}

/// Nothing lies in the folder that would not lie there without the fault.
fn no_strangers(case: &Case<'_>, reference: &Reference, when: &str) -> Result<(), String> {
    nothing_but(case, when, |name| reference.names.contains(name))
}

/// The same; but a database that could not be closed keeps its log, which is part of it.
fn no_strangers_yet(case: &Case<'_>, reference: &Reference, when: &str) -> Result<(), String> {
    nothing_but(case, when, |name| {
        let mut databases = SIDECARS.iter().filter_map(|end| name.strip_suffix(end));
        reference.names.contains(name) || databases.any(|name| reference.names.contains(name))
    })
}

fn nothing_but(
    case: &Case<'_>,
    when: &str,
    belongs: impl Fn(&String) -> bool,
) -> Result<(), String> {
    let mut strangers: Vec<_> = case.names().into_iter().collect();
    strangers.retain(|name| !belongs(name));
    if strangers.is_empty() {
        return Ok(());
    }
    Err(format!("{when} this is left: {}", strangers.join(", ")))
}

fn ended_well(ran: &Ran, what: &str) -> Result<(), String> {
    if ran.status.success() {
        return Ok(());
    }
    Err(format!("{what} ended with {}: {}", ran.status, ran.stderr.trim()))
}

/// The words that have the form of a token.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let is_token = |word: &&str| word.len() == 44 && word.ends_with('=');
    text.split_whitespace().filter(is_token).map(str::to_owned).collect()
}

/// As the file has it.
pub(crate) fn digest(token: &str) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(token.as_bytes()) {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
