//! What the system says of a process: its time on a processor, and its memory.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// User and system time of a process so far (proc(5), fields 14 and 15, in hundredths of a second).
pub(crate) fn cpu(pid: u32) -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string(file(pid, "stat"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident(pid: u32) -> Result<f64, Box<dyn Error>> {
    memory(pid, "VmRSS:")
}

/// The most resident memory that a process had since its start or [`forget_peak`], in MiB.
pub(crate) fn peak(pid: u32) -> Result<f64, Box<dyn Error>> {
    memory(pid, "VmHWM:")
}

/// From now on, [`peak`] knows nothing of what was before.
pub(crate) fn forget_peak(pid: u32) -> std::io::Result<()> {
    fs::write(file(pid, "clear_refs"), "5")
}

fn memory(pid: u32, label: &str) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string(file(pid, "status"))?;
    let line = status.lines().find(|line| line.starts_with(label)).ok_or("no such figure")?;
    let kib: u32 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(f64::from(kib) / 1024.0)
}

fn file(pid: u32, name: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(name)
}
