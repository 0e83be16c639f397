//! A log in a folder of its own, under a clock that stands where the test puts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use jiff::Timestamp;
use mcp_identity::{
    Actor, AuditAction, AuditEvent, AuditLog as _, AuditOutcome, Caller, Clock, PrincipalId,
    RequestId, SessionId, Subject, TokenId, UserName,
};
use mcp_store::StoreError;
use mcp_store_file::{
    AuditFile, AuditFileSettings, AuditFilter, AuditLine, AuditLines, AuditReader, AuditWriter,
};
use tempfile::TempDir;

/// Noon of the day on which most tests play.
pub(crate) const NOON: &str = "2026-11-21T12:00:00.250Z";

pub(crate) fn at(text: &str) -> SystemTime {
    text.parse::<Timestamp>().unwrap().into()
}

pub(crate) struct SetClock(Mutex<SystemTime>);

impl SetClock {
    pub(crate) fn set(&self, text: &str) {
        *self.0.lock().unwrap() = at(text);
    }
}

impl Clock for SetClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

pub(crate) struct Log {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<SetClock>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, clock: Arc::new(SetClock(Mutex::new(at(NOON)))) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn current(&self) -> PathBuf {
        self.path("audit.jsonl")
    }

    pub(crate) fn open(&self) -> Result<(AuditFile, AuditWriter), StoreError> {
        AuditFile::open(AuditFileSettings::new(self.folder.path()), self.clock.clone())
    }

    /// Opens the log, records and writes, as a process does that ends at once.
    pub(crate) async fn write(&self, events: impl IntoIterator<Item = AuditEvent>) {
        let (log, writer) = self.open().unwrap();
        for event in events {
            log.record(event);
        }
        writer.run(async {}).await.unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names of all files, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        names_in(self.folder.path())
    }

    pub(crate) fn reader(&self) -> AuditReader {
        AuditReader::new(self.folder.path())
    }

    /// All lines, from the first one on.
    pub(crate) fn follow(&self) -> AuditLines {
        self.reader().lines(AuditFilter::default()).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<AuditLine> {
        self.follow().map(|line| line.expect("no line is broken")).collect()
    }
}

pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(crate) fn session() -> SessionId {
    SessionId::from_bytes([0xab; 8])
}

pub(crate) fn caller(agent: &str) -> Caller {
    let request_id = RequestId::parse("req-1").unwrap();
    Caller { address: [192, 0, 2, 7].into(), agent: Some(agent.into()), request_id }
}

pub(crate) fn from_the_wire(agent: &str) -> Actor {
    Actor::Caller(caller(agent), None)
}

/// A login of that user at that time, which went well.
pub(crate) fn login(time: &str, name: &str) -> AuditEvent {
    let subject = Subject::Session(session(), user(name));
    let actor = Actor::Caller(caller("curl/8"), Some(PrincipalId::Session(session())));
    AuditEvent::new(at(time), AuditAction::Login, AuditOutcome::Done, subject, actor)
}

/// A failure of a bearer token at that time.
pub(crate) fn failure(time: &str) -> AuditEvent {
    let subject = Subject::Token(TokenId::parse("token-1").unwrap());
    let outcome = AuditOutcome::Refused("expired_credential");
    AuditEvent::new(at(time), AuditAction::Bearer, outcome, subject, from_the_wire("curl/8"))
}

/// The users that lines speak of, in their order.
pub(crate) fn users(lines: &[AuditLine]) -> Vec<&str> {
    lines.iter().map(|line| line.user.as_deref().unwrap_or("-")).collect()
}
