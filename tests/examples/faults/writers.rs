//! Many writers of one file at once, some of them killed: what was acknowledged is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::case::{Case, Ground, Ran};
use crate::table::{CONFIG, ROWS};
use crate::verdict::{SIGKILL, digest, tokens};

const WRITERS: usize = 30;

/// Commands of each writer, additions and removals by turns.
const COMMANDS: usize = 6;

/// The reader's, between two lists: it must not be the one who keeps the processor busy.
const PAUSE: Duration = Duration::from_millis(20);

/// One in so many commands is killed.
const KILLED: u64 = 3;

/// The beginning of a token's digest, as the list has it. Not the id: that of a removed token is
/// free again for another one of the same second.
type Mark = String;

/// What `tokens list` tells of one token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    id: String,
    note: String,
}

/// What one writer knows of its tokens.
#[derive(Default)]
struct Known {
    /// Acknowledged.
    present: BTreeMap<Mark, Told>,
    /// Their removal was acknowledged.
    gone: BTreeSet<Mark>,
    /// Killed while they were removed.
    perhaps_gone: BTreeSet<Mark>,
    /// Notes: killed while they were added.
    perhaps_present: BTreeSet<String>,
    killed: usize,
    /// The lock was taken for so long that the command gave up, and changed nothing.
    gave_up: usize,
}

/// How a command of a writer may end.
enum End {
    /// With what it said, if it was killed after it had.
    Acknowledged(String),
    Killed,
    GaveUp,
}

/// Runs them all; the sentence to tell when nothing was lost.
pub(crate) fn run(ground: &Ground) -> Result<String, String> {
    let case = ground.case(&ROWS[0]);
    let before = listed(&case)?;
    let working = AtomicBool::new(true);
    let (histories, lists) = thread::scope(|scope| {
        let reader = scope.spawn(|| read_on(&case, &working));
        let case = &case;
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || write(case, writer))).collect();
        let joined = writers.into_iter().map(|one| one.join().expect("no writer panics"));
        let histories: Result<Vec<Known>, String> = joined.collect();
        working.store(false, Ordering::Relaxed);
        (histories, reader.join().expect("the reader does not panic"))
    });
    let (histories, lists) = (histories?, lists?);
    let after = listed(&case)?;
    compare(&before, &after, &histories)?;
    nothing_left(&case)?;
    let sum = |count: fn(&Known) -> usize| histories.iter().map(count).sum::<usize>();
    let (killed, gave_up) = (sum(|known| known.killed), sum(|known| known.gave_up));
    let commands = WRITERS * COMMANDS;
    Ok(format!(
        "{WRITERS} writers at once: {commands} commands, {killed} killed, {gave_up} gave up after \
         10 s, {lists} lists read meanwhile; nothing acknowledged was lost"
    ))
}

/// Lists the file every now and then while it is written; how often.
fn read_on(case: &Case<'_>, working: &AtomicBool) -> Result<usize, String> {
    let mut lists = 0;
    while working.load(Ordering::Relaxed) {
        listed(case)?;
        lists += 1;
        thread::park_timeout(PAUSE);
    }
    Ok(lists)
}

fn write(case: &Case<'_>, writer: usize) -> Result<Known, String> {
    let mut known = Known::default();
    let random = RandomState::new();
    let mut took = Duration::from_millis(20);
    for turn in 0..COMMANDS {
        let chance = random.hash_one(turn);
        // Anywhere in the time that the command before needed, and somewhat later.
        let kill = chance.is_multiple_of(KILLED).then(|| took * (chance % 128) as u32 / 100);
        let begun = Instant::now();
        match known.present.pop_first() {
            Some((mark, told)) if turn % 2 == 1 => known.remove(case, mark, told, kill)?,
            kept => {
                known.present.extend(kept);
                known.add(case, format!("writer {writer}, turn {turn}"), kill)?;
            }
        }
        took = begun.elapsed();
    }
    Ok(known)
}

impl Known {
    fn add(&mut self, case: &Case<'_>, note: String, kill: Option<Duration>) -> Result<(), String> {
        match run_one(case, &["tokens", "add", "--note", &note], kill)? {
            End::Acknowledged(said) => {
                let (mark, id) = minted(&said).ok_or("a token was made and not told")?;
                self.present.insert(mark, Told { id, note });
            }
            End::Killed => {
                self.killed += 1;
                self.perhaps_present.insert(note);
            }
            End::GaveUp => self.gave_up += 1,
        }
        Ok(())
    }

    fn remove(
        &mut self,
        case: &Case<'_>,
        mark: Mark,
        told: Told,
        kill: Option<Duration>,
    ) -> Result<(), String> {
        match run_one(case, &["tokens", "remove", &told.id], kill)? {
            End::Acknowledged(_) => {
                self.gone.insert(mark);
            }
            End::Killed => {
                self.killed += 1;
                self.perhaps_gone.insert(mark);
            }
            End::GaveUp => {
                self.gave_up += 1;
                self.present.insert(mark, told);
            }
        }
        Ok(())
    }
}

/// Runs a command to one of the ends that it may have.
fn run_one(case: &Case<'_>, arguments: &[&str], kill: Option<Duration>) -> Result<End, String> {
    let mut child = case.start(arguments);
    if let Some(after) = kill {
        thread::park_timeout(after);
        child.kill().expect("a command of ours can be killed");
    }
    let ran = Ran::from(child.wait_with_output().expect("the command ends"));
    let killed = kill.is_some() && ran.status.signal() == Some(SIGKILL);
    if !ran.stdout.is_empty() && (killed || ran.status.success()) {
        return Ok(End::Acknowledged(ran.stdout));
    }
    if killed {
        return Ok(End::Killed);
    }
    if ran.status.code() == Some(2) && ran.stderr.contains("for 10 s") {
        return Ok(End::GaveUp);
    }
    Err(format!("`{}` ended with {}: {}", arguments.join(" "), ran.status, ran.stderr.trim()))
}

/// The token that was told.
fn minted(said: &str) -> Option<(Mark, String)> {
    let id = said.lines().find_map(|line| line.strip_prefix("ID: "))?;
    Some((digest(&tokens(said).pop()?)[..12].to_owned(), id.to_owned()))
}

/// All tokens of the file.
fn listed(case: &Case<'_>) -> Result<BTreeMap<Mark, Told>, String> {
    let ran = case.admin(&["tokens", "list", "--json"]);
    let document: Value = serde_json::from_str(&ran.stdout)
        .map_err(|_| format!("the list ended with {}: {}", ran.status, ran.stderr.trim()))?;
    let word = |token: &Value, key: &str| token[key].as_str().unwrap_or_default().to_owned();
    let told = |token| Told { id: word(token, "id"), note: word(token, "note") };
    let tokens = document["tokens"].as_array().ok_or("the list has no tokens")?;
    Ok(tokens.iter().map(|token| (word(token, "hash_prefix"), told(token))).collect())
}

fn compare(
    before: &BTreeMap<Mark, Told>,
    after: &BTreeMap<Mark, Told>,
    histories: &[Known],
) -> Result<(), String> {
    let mut unknown = after.clone();
    let present = histories.iter().flat_map(|known| &known.present).chain(before);
    for (mark, told) in present {
        if unknown.remove(mark).as_ref() != Some(told) {
            return Err(format!("{told:?} was acknowledged and not removed, and is not there"));
        }
    }
    let mut gone = histories.iter().flat_map(|known| &known.gone);
    if let Some(told) = gone.find_map(|mark| after.get(mark)) {
        return Err(format!("the removal of {told:?} was acknowledged, and it is there"));
    }
    unknown.retain(|mark, _| !histories.iter().any(|known| known.perhaps_gone.contains(mark)));
    let mut doubtful: BTreeSet<&String> =
        histories.iter().flat_map(|known| &known.perhaps_present).collect();
    match unknown.values().find(|told| !doubtful.remove(&told.note)) {
        Some(told) => Err(format!("nobody made {told:?}")),
        None => Ok(()),
    }
}

/// One more command finds nothing in its way, and leaves nothing of those that were killed.
fn nothing_left(case: &Case<'_>) -> Result<(), String> {
    let next = case.admin_as_owner(ROWS[0].next[0]);
    if !next.status.success() {
        return Err(format!("the next command ended with {}: {}", next.status, next.stderr.trim()));
    }
    let file = ROWS[0].file;
    // The record of what happened lies beside it, too.
    let expected =
        [CONFIG.to_owned(), file.to_owned(), format!("{file}.lock"), "audit.jsonl".to_owned()];
    match case.names().into_iter().find(|name| !expected.contains(name)) {
        Some(name) => Err(format!("{name} is left")),
        None => Ok(()),
    }
}
