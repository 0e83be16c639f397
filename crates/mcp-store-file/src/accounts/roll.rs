//! Who there is: the users file, as the clerk reads it.

use std::collections::{HashMap, HashSet};

use mcp_identity::UserName;
use mcp_store::{EditRejection, StoreError, StoreErrorKind, UserEdit, UserRecord, Whom};

use crate::access::{self, Managed, resolve};
use crate::fault::{refused, shown};
use crate::kind::Kind as _;
use crate::state::AccountKey;
use crate::user_file::UserFile;
use crate::users::{KeptUser, Users, email_key, unkeepable};
use crate::yaml;

/// The users file, in two readings. The settled one is what the watch read last, while one runs:
/// of a file that is just being written it knows the state before. The fresh one is the file
/// itself: what another process has just changed is in it.
pub(super) struct Roll {
    pub(super) users: UserFile,
    managed: Managed,
    fresh: Option<Fresh>,
}

/// The file, as it was when it was last read here.
struct Fresh {
    text: String,
    records: HashMap<UserName, UserRecord>,
}

impl Roll {
    pub(super) fn new(users: UserFile, managed: Managed) -> Self {
        Self { users, managed, fresh: None }
    }

    /// Everybody, settled. Nobody, where there is no file.
    pub(super) fn all(&self) -> Result<Vec<KeptUser>, StoreError> {
        or_nobody(self.users.all_now())
    }

    /// The account of that name, settled.
    pub(super) fn find(&self, name: &UserName) -> Result<Option<KeptUser>, StoreError> {
        or_nobody(self.users.find_now(name))
    }

    /// Whose that address is, settled.
    pub(super) fn find_email(&self, email: &str) -> Result<Option<UserName>, StoreError> {
        let wanted = email_key(email);
        let has_it = |kept: &KeptUser| {
            kept.record.email.as_deref().map(email_key).is_some_and(|email| email == wanted)
        };
        Ok(self.all()?.into_iter().find(has_it).map(|kept| kept.record.name))
    }

    /// The account of that name as the file itself says, even if another process said so just
    /// now; while the file cannot be used, settled.
    pub(super) fn find_fresh(&mut self, name: &UserName) -> Result<Option<UserRecord>, StoreError> {
        match self.fresh() {
            Ok(fresh) => Ok(fresh.records.get(name).cloned()),
            Err(_) => Ok(self.find(name)?.map(|kept| kept.record)),
        }
    }

    /// As [`find_fresh`](Self::find_fresh), by name or by address.
    pub(super) fn find_fresh_by(&mut self, whom: &Whom) -> Result<Option<UserRecord>, StoreError> {
        if let Whom::User(name) = whom {
            return self.find_fresh(name);
        }
        if let Ok(fresh) = self.fresh() {
            return Ok(fresh.records.values().find(|record| whom.is(record)).cloned());
        }
        let mut settled = self.all()?.into_iter().map(|kept| kept.record);
        Ok(settled.find(|record| whom.is(record)))
    }

    /// The enabled accounts, and those that are disabled: of either reading, since a file that is
    /// just being written may lack anybody. `None`: there is no file, which says nothing.
    pub(super) fn census(&mut self) -> Result<Option<Census>, StoreError> {
        let settled = match self.users.all_now() {
            Ok(settled) => settled,
            Err(error) if error.kind == StoreErrorKind::Missing => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut census = Census::default();
        for kept in &settled {
            census.count(&kept.record);
        }
        // A file that cannot be used says nothing new.
        if let Ok(fresh) = self.fresh() {
            for record in fresh.records.values() {
                census.count(record);
            }
        }
        Ok(Some(census))
    }

    /// Would the file take this edit of `record`, as it is now?
    pub(super) fn may_edit(
        &self,
        record: &UserRecord,
        edit: &UserEdit,
    ) -> Result<(), EditRejection> {
        let edited = edit.apply(record);
        if let Some(fault) = unkeepable(&edited) {
            return Err(refused(shown(self.users.path()), fault).into());
        }
        let Some(email) = edited.email.as_deref().map(email_key) else { return Ok(()) };
        let everybody = self.users.read()?;
        let mut others = everybody.iter().filter(|kept| kept.record.name != edited.name);
        if others.any(|kept| kept.record.email.as_deref().map(email_key).as_ref() == Some(&email)) {
            return Err(EditRejection::EmailTaken);
        }
        Ok(())
    }

    /// Reads the file. Parses it only if it says something else than before: that may take longer
    /// than a login may wait.
    fn fresh(&mut self) -> Result<&Fresh, StoreError> {
        let path = resolve(self.users.path())?;
        let (text, _) = access::read(&path, self.managed, &Users::WORDS)?;
        let fresh = match self.fresh.take() {
            Some(fresh) if fresh.text == text => fresh,
            _ => {
                let kept = yaml::parse::<Users>(&text, self.users.path())?.into_records();
                let records = kept.into_iter().map(|kept| (kept.record.name.clone(), kept.record));
                Fresh { text, records: records.collect() }
            }
        };
        Ok(self.fresh.insert(fresh))
    }
}

/// Which accounts there are.
#[derive(Debug, Default)]
pub(super) struct Census {
    all: HashSet<AccountKey>,
    enabled: HashSet<AccountKey>,
}

impl Census {
    fn count(&mut self, record: &UserRecord) {
        let account = AccountKey::of(record);
        if record.enabled {
            self.enabled.insert(account.clone());
        }
        self.all.insert(account);
    }

    pub(super) fn knows(&self, account: &AccountKey) -> bool {
        self.all.contains(account)
    }

    pub(super) fn may_have_sessions(&self, account: &AccountKey) -> bool {
        self.enabled.contains(account)
    }
}

fn or_nobody<T: Default>(read: Result<T, StoreError>) -> Result<T, StoreError> {
    match read {
        Err(error) if error.kind == StoreErrorKind::Missing => Ok(T::default()),
        read => read,
    }
}
