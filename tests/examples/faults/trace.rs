//! What strace wrote down: the calls that may fail, and the order of those that make durable.
//!
//! strace counts the calls of a name in each thread by itself, and what it is told to do to the
//! n-th it does in every thread that comes so far. A call whose number another thread has as well
//! is told from that by the path that it is about: then strace heeds, and counts, only the calls
//! about that path. The other threads of a server do not come equally far in each run, so that
//! there a path decides wherever there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::table::Program;

/// Stands for the folder of a case, which is another one in each run.
const FOLDER: &str = "…";

/// How a path begins that does not depend on where somebody stands.
const ROOTS: [char; 2] = ['…', '/'];

/// One system call of a run without a fault.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) name: String,
    /// Among the calls of that name in its thread, from the start of the program, that are about
    /// `about` if there is one; from 1. So strace counts.
    pub(crate) occurrence: usize,
    /// The path, where the number alone would mean a call of another thread, too.
    about: Option<String>,
    /// What the call is about first, so that it is known again.
    place: Option<String>,
    /// Among the calls of that name in its thread that are about that first; from 1.
    turn: usize,
    /// Must it be the first thread that makes it?
    in_first_thread: bool,
    /// The call as it was, without the folder.
    shown: String,
}

impl Site {
    /// The path that strace is to heed alone, in a case that has this folder.
    pub(crate) fn path(&self, folder: &str) -> Option<String> {
        self.about.as_ref().map(|about| about.replace(FOLDER, folder))
    }
}

impl fmt::Display for Site {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} #{}", self.name, self.occurrence)?;
        self.about.iter().try_for_each(|about| write!(out, " of {about}"))?;
        write!(out, ", {}", self.shown)
    }
}

/// What touches neither a file nor anybody else: to be killed there is to be killed at the next
/// call, and none of it can fail for want of a disk or of room on it. (`futex` and the sleeps can
/// be interrupted; the standard library waits on, and says nothing.) Named one by one, so that a
/// call that nobody thought of is one that may fail.
const OF_NO_CONSEQUENCE: [&str; 36] = [
    "execve",
    "brk",
    "mmap",
    "mremap",
    "munmap",
    "mprotect",
    "madvise",
    "futex",
    "sigaltstack",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "clone",
    "clone3",
    "set_robust_list",
    "rseq",
    "exit",
    "prctl",
    "sched_getaffinity",
    "sched_yield",
    "setpriority",
    "sched_setscheduler",
    "gettid",
    "getpid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getpriority",
    "prlimit64",
    "sysinfo",
    "uname",
    "clock_gettime",
    "clock_nanosleep",
    "restart_syscall",
    "membarrier",
];

/// Why nothing can be traced on this machine, in a line.
pub(crate) fn obstacle(program: &Path, log: &Path) -> Option<String> {
    let mut probe = Command::new("strace");
    probe.arg("-o").arg(log).args(["-e", "inject=close:error=EIO:when=9999"]);
    probe.arg(program).arg("--version");
    match probe.stdin(Stdio::null()).env_clear().output() {
        Err(error) => Some(format!("strace cannot be run ({error}); `cargo xtask setup`")),
        Ok(output) if !output.status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or("it does not say why").to_owned();
            Some(format!("strace may not trace here: {said}"))
        }
        Ok(_) => None,
    }
}

/// The calls that may fail: those from the first on that names the folder; of a server, those of
/// its first thread that are about it.
pub(crate) fn sites(program: Program, log: &str, folder: &str) -> Vec<Site> {
    let calls = calls(log, folder);
    let numbers = Numbers::of(&calls);
    let begun = calls.iter().position(Call::is_in_the_folder).unwrap_or(calls.len());
    let first = calls.first().map_or("", |call| call.thread);
    let sites = calls[begun..].iter().filter(|call| match program {
        Program::Admin => !OF_NO_CONSEQUENCE.contains(&call.name),
        Program::Server => call.thread == first && call.is_in_the_folder(),
    });
    sites.map(|call| numbers.site(program, call)).collect()
}

/// The same call of a server in another run, where it may have another number: how often its
/// first thread wakes another one, which is a `write`, differs.
pub(crate) fn again(log: &str, folder: &str, site: &Site) -> Option<Site> {
    let calls = calls(log, folder);
    let first = calls.first()?.thread;
    let call = calls.iter().find(|call| {
        site.in_first_thread
            && call.thread == first
            && call.name == site.name
            && call.turn == site.turn
            && call.places.first() == site.place.as_ref()
    })?;
    Some(Site { occurrence: call.number, ..site.clone() })
}

/// Did what `mark` stands for happen in the run, and in the call that was meant?
pub(crate) fn met(log: &str, folder: &str, site: &Site, end: End) -> bool {
    let calls = calls(log, folder);
    let killed = log.lines().any(|line| line.contains("+++ killed by SIGKILL +++"));
    let first = calls.first().map_or("", |call| call.thread);
    calls.iter().enumerate().any(|(turn, call)| {
        let is_last = !calls[turn + 1..].iter().any(|later| later.thread == call.thread);
        let ended = match end {
            End::Killed => killed && is_last,
            End::Injected => call.text.contains("(INJECTED)"),
        };
        // A trace of the calls about one path counts those alone, as the site does.
        ended
            && (call.thread == first || !site.in_first_thread)
            && call.name == site.name
            && call.number == site.occurrence
            && call.places.first() == site.place.as_ref()
    })
}

/// Did anything fail of what the command does in the folder?
pub(crate) fn failed(log: &str, folder: &str) -> bool {
    let calls = calls(log, folder);
    let inside = calls.iter().skip_while(|call| !call.is_in_the_folder());
    inside.into_iter().any(|call| call.text.contains("(INJECTED)"))
}

/// How a fault shows in the trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The process does not come back from the call.
    Killed,
    /// The call says itself that it was made to fail.
    Injected,
}

/// A call in the order in which they were entered.
struct Call<'a> {
    thread: &'a str,
    name: &'a str,
    /// With what strace wrote when it was over.
    text: String,
    /// Among the calls of that name in its thread; from 1.
    number: usize,
    /// The paths that it is about, without the folder and what is random in a name.
    places: Vec<String>,
    /// Among the calls of that name in its thread that are about the same first; from 1.
    turn: usize,
}

impl Call<'_> {
    fn is_in_the_folder(&self) -> bool {
        self.name != "execve" && self.places.iter().any(|place| place.starts_with(FOLDER))
    }

    /// The paths by which strace can be told to heed it. What is random in a name was cut out.
    fn paths(&self) -> impl Iterator<Item = &String> {
        let is_path = |place: &&String| place.starts_with(ROOTS) && !place.contains('*');
        self.places.iter().filter(is_path)
    }
}

/// How far each thread comes in counting: of each name, and of each name and path.
#[derive(Default)]
struct Numbers<'a> {
    of_names: BTreeMap<&'a str, BTreeMap<&'a str, usize>>,
    of_paths: BTreeMap<(&'a str, String), BTreeMap<&'a str, usize>>,
    /// The numbers of each call among those about each of its paths.
    own: BTreeMap<CallKey<'a>, Vec<(String, usize)>>,
}

/// Thread, name and number of a call.
type CallKey<'a> = (&'a str, &'a str, usize);

impl<'a> Numbers<'a> {
    fn of(calls: &[Call<'a>]) -> Self {
        let mut numbers = Self::default();
        for call in calls {
            *numbers.of_names.entry(call.name).or_default().entry(call.thread).or_default() += 1;
            let mut own = Vec::new();
            for path in call.paths().collect::<BTreeSet<_>>() {
                let threads = numbers.of_paths.entry((call.name, path.clone())).or_default();
                let number = threads.entry(call.thread).or_default();
                *number += 1;
                own.push((path.clone(), *number));
            }
            numbers.own.insert((call.thread, call.name, call.number), own);
        }
        numbers
    }

    fn site(&self, program: Program, call: &Call<'a>) -> Site {
        let is_only = |threads: &BTreeMap<&str, usize>, number: usize| {
            threads.iter().all(|(thread, most)| *thread == call.thread || *most < number)
        };
        let (mut about, mut occurrence) = (None, call.number);
        let is_server = program == Program::Server;
        if is_server || !is_only(&self.of_names[call.name], call.number) {
            let own = &self.own[&(call.thread, call.name, call.number)];
            let only = own.iter().find(|(path, number)| {
                is_only(&self.of_paths[&(call.name, path.clone())], *number)
            });
            // Without one the run is tried all the same, and told of if another call is hit.
            if let Some((path, number)) = only.or(own.first().filter(|_| is_server)) {
                (about, occurrence) = (Some(path.clone()), *number);
            }
        }
        let (name, place) = (call.name.to_owned(), call.places.first().cloned());
        let shown = call.text.chars().take(110).collect();
        Site { name, occurrence, about, place, turn: call.turn, in_first_thread: is_server, shown }
    }
}

/// Holds that the new file was on disk before it took the name, and the name before anything was
/// said. No kill shows that: what was written is there without it, until the power is cut.
pub(crate) fn order(program: Program, log: &str, folder: &str, file: &str) -> Result<(), String> {
    let calls = calls(log, folder);
    let target = format!("\"{FOLDER}/{file}\"");
    let renamed = calls.iter().rposition(|call| {
        call.name.starts_with("rename") && call.text.contains(&target) && call.text.ends_with("= 0")
    });
    let renamed = renamed.ok_or("nothing was renamed to the file")?;
    let temporary = calls[renamed].text.split('"').nth(1).unwrap_or_default();
    let synced = |place: &str| {
        let end = format!("<{place}>) = 0");
        move |call: &Call<'_>| {
            matches!(call.name, "fsync" | "fdatasync") && squeezed(&call.text).ends_with(&end)
        }
    };
    if !calls[..renamed].iter().any(synced(temporary)) {
        return Err("the new file has its name before it is on disk".to_owned());
    }
    // Other threads of a server write to its log as well, and of other things.
    let told = calls[renamed..].iter().position(|call| {
        call.text.starts_with(program.tells())
            && (program == Program::Admin || call.thread == calls[renamed].thread)
    });
    let told = told.map_or(calls.len(), |after| renamed + after);
    if calls[renamed..told].iter().any(synced(FOLDER)) {
        return Ok(());
    }
    Err("the change is told before the folder is on disk".to_owned())
}

/// strace puts results below each other.
fn squeezed(call: &str) -> String {
    call.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each call, in the order in which they were entered.
fn calls<'a>(log: &'a str, folder: &str) -> Vec<Call<'a>> {
    let mut calls: Vec<Call<'a>> = Vec::new();
    let mut numbers: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut turns: BTreeMap<(&str, &str, Option<String>), usize> = BTreeMap::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix("<... ") {
            let mut of_thread = calls.iter_mut().rev().filter(|call| call.thread == thread);
            if let (Some(call), Some((_, rest))) = (of_thread.next(), rest.split_once(" resumed>"))
            {
                let begun = call.text.strip_suffix("<unfinished ...>").unwrap_or(&call.text);
                call.text = format!("{begun}{}", rest.replace(folder, FOLDER));
            }
            continue;
        }
        let Some((name, _)) = rest.split_once('(') else { continue };
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !is_name {
            continue;
        }
        let number = numbers.entry((thread, name)).or_default();
        *number += 1;
        let text = rest.replace(folder, FOLDER);
        let places = places(&text);
        let turn = turns.entry((thread, name, places.first().cloned())).or_default();
        *turn += 1;
        calls.push(Call { thread, name, text, number: *number, places, turn: *turn });
    }
    calls
}

/// The paths in what a call was given: those that are quoted, and those of its descriptors.
fn places(call: &str) -> Vec<String> {
    let (call, _) = call.rsplit_once(") = ").unwrap_or((call, ""));
    let quoted = call.split('"').skip(1).step_by(2);
    let quoted = quoted.filter(|text| text.starts_with(ROOTS)).map(steady);
    let open = call.split('<').skip(1).filter_map(|text| {
        let (path, _) = text.split_once('>')?;
        // Only what is relative is about the folder in which a command was started.
        (path != "/").then(|| steady(path))
    });
    let is_one = |place: &String| place != "unfinished ...";
    quoted.chain(open).filter(is_one).collect()
}

/// A path without what is another in each run: the number of a pipe or of the process, the middle
/// of the name of a temporary file.
fn steady(path: &str) -> String {
    let in_proc = path.strip_prefix("/proc/").and_then(|rest| rest.split_once('/'));
    if let Some((_, file)) = in_proc {
        return format!("/proc/*/{file}");
    }
    if let Some((kind, _)) = path.split_once(":[") {
        return kind.to_owned();
    }
    let Some((start, end)) = path.rsplit_once("/.") else { return path.to_owned() };
    let cut = end.strip_suffix(".tmp").and_then(|name| name.rsplit_once('.'));
    cut.map_or_else(|| path.to_owned(), |(name, _)| format!("{start}/.{name}.*.tmp"))
}
