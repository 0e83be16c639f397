//! What strace wrote down: the calls that may fail, and the order of those that make durable.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

/// One system call of a run without a fault.
pub(crate) struct Site {
    pub(crate) name: String,
    /// Among the calls of that name in its thread, from the start of the program; from 1. So
    /// strace counts.
    pub(crate) occurrence: usize,
    /// The call as it was, without the folder.
    shown: String,
}

impl fmt::Display for Site {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} #{}, {}", self.name, self.occurrence, self.shown)
    }
}

/// What touches neither a file nor anybody else: to be killed there is to be killed at the next
/// call. Named one by one, so that a call that nobody thought of is one that may fail.
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

/// The calls that may fail: those from the first on that names the folder.
pub(crate) fn sites(log: &str, folder: &str) -> Vec<Site> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut sites = Vec::new();
    let mut known = BTreeSet::new();
    let mut begun = false;
    for (thread, name, call) in calls(log) {
        let count = counts.entry((thread, name)).or_default();
        *count += 1;
        begun |= name != "execve" && call.contains(folder);
        // Two threads that both come so far are one place: strace counts for each.
        if begun && !OF_NO_CONSEQUENCE.contains(&name) && known.insert((name, *count)) {
            let shown: String = call.replace(folder, "…").chars().take(110).collect();
            sites.push(Site { name: name.to_owned(), occurrence: *count, shown });
        }
    }
    sites
}

/// Did the run come to the folder, and did what `mark` stands for happen after that?
pub(crate) fn happened(log: &str, folder: &str, mark: &str) -> bool {
    let begun = log.lines().skip_while(|line| !line.contains(folder) || line.contains(" execve("));
    begun.skip(1).any(|line| line.contains(mark))
        // The very first call may be the one.
        || calls(log).any(|(_, name, call)| {
            name != "execve" && call.contains(folder) && call.contains(mark)
        })
}

/// Holds that the new file was on disk before it took the name, and the name before anything was
/// said. No kill shows that: what was written is there without it, until the power is cut.
pub(crate) fn order(log: &str, folder: &str, file: &str) -> Result<(), String> {
    let calls: Vec<_> = calls(log).collect();
    let target = format!("\"{folder}/{file}\"");
    let renamed = calls.iter().rposition(|(_, name, call)| {
        name.starts_with("rename") && call.contains(&target) && call.ends_with("= 0")
    });
    let renamed = renamed.ok_or("nothing was renamed to the file")?;
    let temporary = calls[renamed].2.split('"').nth(1).unwrap_or_default();
    let synced = |place: &str| {
        let end = format!("<{place}>) = 0");
        move |(_, name, call): &(&str, &str, &str)| {
            matches!(*name, "fsync" | "fdatasync") && squeezed(call).ends_with(&end)
        }
    };
    if !calls[..renamed].iter().any(synced(temporary)) {
        return Err("the new file has its name before it is on disk".to_owned());
    }
    let told = calls[renamed..].iter().position(|(_, _, call)| call.starts_with("write(1<"));
    let told = told.map_or(calls.len(), |after| renamed + after);
    if calls[renamed..told].iter().any(synced(folder)) {
        return Ok(());
    }
    Err("the change is told before the folder is on disk".to_owned())
}

/// strace puts results below each other.
fn squeezed(call: &str) -> String {
    call.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Thread, name and text of each call, in the order in which they were entered.
fn calls(log: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    log.lines().filter_map(|line| {
        let (thread, call) = line.split_once(' ')?;
        let call = call.trim_start();
        let (name, _) = call.split_once('(')?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (is_name && !name.is_empty()).then_some((thread, name, call))
    })
}
