//! The server's process, on a thread of its own.

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A running postmaster. Not stopped by dropping this: see [`Process::stop`].
pub(crate) struct Process {
    pid: Pid,
    ended: Receiver<ExitStatus>,
    thread: Option<JoinHandle<()>>,
}

impl Process {
    /// Spawns the command on a new thread that lasts as long as the child does. The thread
    /// matters: the parent-death signal is sent when the *thread* that spawned the child ends,
    /// and a test's own thread may end before its server does.
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        let (tell_pid, pid) = mpsc::channel();
        let (tell_end, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("postgres".into()).spawn(move || {
            match command.spawn() {
                Err(error) => drop(tell_pid.send(Err(error))),
                Ok(mut child) => {
                    let _ = tell_pid.send(Ok(child.id()));
                    if let Ok(status) = child.wait() {
                        let _ = tell_end.send(status);
                    }
                }
            }
        })?;
        let gone = || io::Error::other("the thread of the server ended early");
        let id = pid.recv().map_err(|_| gone())??;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        Ok(Self { pid, ended, thread: Some(thread) })
    }

    /// The postmaster: `setpriv` has become it.
    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits for the end, but no longer than `patience`. True: it has ended.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        !matches!(self.ended.recv_timeout(patience), Err(RecvTimeoutError::Timeout))
    }

    /// Asks it to stop by `signal`, kills it when it does not, and waits until it is gone.
    pub(crate) fn stop(mut self, signal: Signal) {
        const PATIENCE: Duration = Duration::from_secs(10);
        // The only error is that it is gone already.
        let _ = kill_process(self.pid, signal);
        if !self.wait(PATIENCE) {
            let _ = kill_process(self.pid, Signal::KILL);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
