//! Files to try things on, and records to keep in them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mcp_identity::{DatabaseName, DbRole, RoleName, UserName};
use mcp_store::{StoredHash, UserEdit, UserRecord};
use mcp_store_file::{KeptUser, UserFile};
use tempfile::TempDir;

pub(crate) const BCRYPT: &str = "$2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
pub(crate) const OTHER: &str =
    "$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";

pub(crate) const MAP: &str = "\
# People of the shop. Ask Alice before you touch them.
users:
    # the boss
    alice:   # do not remove
        username: alice
        password_hash: $2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234   # by hand
        created_at: 2024-10-30T10:15:30.5+02:00
        last_login: 2024-11-14T09:30:00Z
        enabled: true
        # who she is
        annotation: \"Alice Smith - Developer\"   # really
        failed_attempts: 2
        badge: {number: 7, colour: red}   # ours

    # the other one
    \"Bob B\":
        password_hash: '$2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234'
        created_at: 2024-10-15T14:20:00Z
        last_login: null
        enabled: false
        annotation: |
            two
            lines
        failed_attempts: 0
        email: bob@example.com
        roles: [viewer, operator]
        databases:
            - shop   # the live one
            - staging
    carol: {password_hash: '$2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234', created_at: '2024-10-15T14:20:00Z', enabled: true}
# the end
contact: alice
";

pub(crate) const LIST: &str = "\
users:
  # the boss
  - username: alice   # do not remove
    password_hash: $2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234
    note: the boss   # really
    created_at: \"2024-10-30T10:15:30Z\"
    enabled: true

  # the other one
  - enabled: true
    annotation: 'the other one'
    username: Bob B
    created_at: \"2024-10-30T10:15:30Z\"
    password_hash: $2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234
    owner: {team: ops}   # ours
# the end
";

pub(crate) struct Kept {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) users: UserFile,
}

pub(crate) fn kept(text: &str) -> Kept {
    let kept = missing();
    fs::write(&kept.path, text).unwrap();
    fs::set_permissions(&kept.path, Permissions::from_mode(0o600)).unwrap();
    kept
}

pub(crate) fn missing() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.yaml");
    Kept { users: UserFile::open(&path), path, folder }
}

impl Kept {
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    pub(crate) fn find(&self, text: &str) -> KeptUser {
        self.users.find_now(&name(text)).unwrap().unwrap()
    }

    /// The file after an edit of `user`, which holds what was intended.
    pub(crate) fn after(&self, user: &str, edit: &UserEdit) -> String {
        let before = self.users.read().unwrap();
        let edited = self.users.edit_now(&name(user), edit).unwrap();
        let expected = before.into_iter().map(|kept| {
            let is_it = kept.record.name == name(user);
            if is_it { KeptUser { record: edited.clone(), ..kept } } else { kept }
        });
        assert_eq!(self.users.read().unwrap(), expected.collect::<Vec<_>>());
        self.text()
    }
}

pub(crate) fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

pub(crate) fn second(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(n)
}

pub(crate) fn record(text: &str) -> UserRecord {
    UserRecord::new(name(text), StoredHash::new(BCRYPT), second(1_730_283_330))
}

pub(crate) fn everything(text: &str) -> UserRecord {
    UserRecord {
        email: Some("Dave@example.com".to_owned()),
        note: "Dave: \"the #1\"".to_owned(),
        enabled: false,
        roles: ["admin", "viewer"].map(|role| RoleName::parse(role).unwrap()).into(),
        databases: Some(["shop"].map(|name| DatabaseName::parse(name).unwrap()).into()),
        db_role: Some(DbRole::parse("app reader").unwrap()),
        read_only: true,
        ..record(text)
    }
}

pub(crate) fn note(text: &str) -> UserEdit {
    UserEdit { note: Some(text.to_owned()), ..UserEdit::default() }
}
