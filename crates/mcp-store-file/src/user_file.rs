//! User accounts in a YAML file.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use mcp_identity::UserName;
use mcp_store::{
    AddRejection, AdminsLeft, Change, Changes, EditRejection, StoreError, UserEdit, UserRecord,
};

use crate::credential_file::{CredentialFile, Work};
use crate::document::Document;
use crate::edit::Edit;
use crate::fault::{refused, shown};
use crate::users::{KeptUser, Users, email_key, unkeepable};
use crate::watch::{Presence, UserFileWatch, Watch};

/// The accounts of one server, in a file that belongs to its operator. Every call reads the file,
/// and every change reads it again under the write lock; but while its watch lives, what the watch
/// read last is what is there. Cheap to clone; clones are one file.
///
/// Sessions, locks, failures and last logins are not kept here. An edit that ends sessions or
/// lifts a lock leaves that to whoever keeps those.
///
/// What ends in `_now` blocks the thread, up to 10 s while another process writes; its
/// namesake does the same on a thread that may block. A change that was begun is finished, even
/// if nobody waits for it any more.
#[derive(Clone)]
pub struct UserFile(CredentialFile<Users>);

impl UserFile {
    /// The users file at `path`, which need not exist yet. Reads nothing.
    #[must_use]
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self(CredentialFile::open(&path.into()))
    }

    /// For the operator's tool: run as root, it may manage a file that the service's user owns,
    /// and leaves it to that user. A server must not trust such a file.
    #[must_use]
    pub fn for_its_owner(self) -> Self {
        Self(self.0.for_its_owner())
    }

    /// The path as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Every user, in the order of the file. Reads the file itself, watched or not.
    ///
    /// # Errors
    /// [`StoreErrorKind::Missing`] if there is no file; [`StoreErrorKind::Refused`] for one that
    /// others could have written or that does not say what a users file says, with the line.
    ///
    /// [`StoreErrorKind::Missing`]: mcp_store::StoreErrorKind::Missing
    /// [`StoreErrorKind::Refused`]: mcp_store::StoreErrorKind::Refused
    pub fn read(&self) -> Result<Vec<KeptUser>, StoreError> {
        self.0.read()
    }

    /// Every user, in the order of the file.
    ///
    /// # Errors
    /// As [`read`](Self::read); never while a watch runs that has something good to show.
    pub fn all_now(&self) -> Result<Vec<KeptUser>, StoreError> {
        self.0.all()
    }

    /// The user of that name, in any spelling.
    ///
    /// # Errors
    /// As [`all_now`](Self::all_now). Not found is `Ok(None)`.
    pub fn find_now(&self, name: &UserName) -> Result<Option<KeptUser>, StoreError> {
        self.0.find(name)
    }

    /// Keeps a new user.
    ///
    /// # Errors
    /// [`AddRejection::NameTaken`] and [`AddRejection::EmailTaken`] change nothing. What a file
    /// cannot keep (no address, no hash) is [`AddRejection::Store`].
    pub fn insert_now(&self, record: UserRecord) -> Result<(), AddRejection> {
        self.insert_all_now(vec![record])?.into_iter().collect()
    }

    /// Keeps new users, in one change of the file: all that it takes, or none. Says of each
    /// whether it was taken.
    ///
    /// # Errors
    /// [`StoreError`]; none was taken then.
    pub fn insert_all_now(
        &self,
        records: Vec<UserRecord>,
    ) -> Result<Vec<Result<(), AddRejection>>, StoreError> {
        self.0.rewrite(|document| {
            let mut taken = Taken::of(document);
            let (mut added, mut said) = (Vec::new(), Vec::new());
            for record in records {
                let answer = self.keepable(&record).map_err(AddRejection::from);
                let answer = answer.and_then(|()| taken.take(&record));
                if answer.is_ok() {
                    added.push(KeptUser::new(record));
                }
                said.push(answer);
            }
            let change = match added.as_slice() {
                [] => return Ok((Work::none(), said)),
                [one] => Change::User(one.record.name.clone()),
                _ => Change::Everything,
            };
            Ok((Work::one(Edit::Insert(added), change), said))
        })
    }

    /// Changes a user, and returns the record as it is then. What changes nothing writes nothing.
    ///
    /// # Errors
    /// [`EditRejection`]; nothing is changed then.
    pub fn edit_now(&self, name: &UserName, edit: &UserEdit) -> Result<UserRecord, EditRejection> {
        self.edit_if_now(name, edit, |_| true)?.ok_or(EditRejection::NotFound)
    }

    /// Changes a user if the record is still as `expected`, and returns the record as it is then.
    /// `None`: it was not, and nothing was changed.
    ///
    /// # Errors
    /// [`EditRejection`]; nothing is changed then.
    pub fn edit_if_now(
        &self,
        name: &UserName,
        edit: &UserEdit,
        expected: impl FnOnce(&UserRecord) -> bool,
    ) -> Result<Option<UserRecord>, EditRejection> {
        self.must_exist()?;
        self.0.rewrite(|document| {
            let kept = document.records().find(|kept| kept.record.name == *name);
            let kept = kept.filter(|kept| edit.is_meant_for(&kept.record));
            let kept = kept.ok_or(EditRejection::NotFound)?;
            let record = edit.apply(&kept.record);
            // Before anybody does what goes with the edit.
            if edit.admins.forbids(&kept.record, Some(&record), || is_led_without(document, name)) {
                return Err(EditRejection::LastAdmin);
            }
            if !expected(&kept.record) {
                return Ok((Work::none(), None));
            }
            if record == kept.record {
                return Ok((Work::none(), Some(record)));
            }
            self.keepable(&record)?;
            if is_email_taken(document, &record) {
                return Err(EditRejection::EmailTaken);
            }
            let edit = Edit::Replace(KeptUser { record: record.clone(), ..kept.clone() });
            Ok((Work::one(edit, Change::User(record.name.clone())), Some(record)))
        })
    }

    /// Removes a user, and returns the record. `admins`: whether even if it is the last admin.
    ///
    /// # Errors
    /// [`EditRejection`]; nothing is removed then.
    pub fn remove_now(
        &self,
        name: &UserName,
        admins: AdminsLeft,
    ) -> Result<UserRecord, EditRejection> {
        self.must_exist()?;
        self.0.rewrite(|document| {
            let kept = document.records().find(|kept| kept.record.name == *name);
            let record = kept.ok_or(EditRejection::NotFound)?.record.clone();
            if admins.forbids(&record, None, || is_led_without(document, name)) {
                return Err(EditRejection::LastAdmin);
            }
            let edit = Edit::Remove(vec![record.name.clone()]);
            Ok((Work::one(edit, Change::User(record.name.clone())), record))
        })
    }

    /// [`all_now`](Self::all_now), for whoever must not block.
    ///
    /// # Errors
    /// As that.
    pub async fn all(&self) -> Result<Vec<KeptUser>, StoreError> {
        match self.0.latest().snapshot() {
            Some(snapshot) => Ok(snapshot.records()),
            None => self.off_the_runtime(Self::read).await,
        }
    }

    /// [`find_now`](Self::find_now), for whoever must not block.
    ///
    /// # Errors
    /// As that.
    pub async fn find(&self, name: &UserName) -> Result<Option<KeptUser>, StoreError> {
        if let Some(snapshot) = self.0.latest().snapshot() {
            return Ok(snapshot.find(name));
        }
        let name = name.clone();
        self.off_the_runtime(move |file| file.find_now(&name)).await
    }

    /// [`insert_now`](Self::insert_now), for whoever must not block.
    ///
    /// # Errors
    /// As that.
    pub async fn insert(&self, record: UserRecord) -> Result<(), AddRejection> {
        self.off_the_runtime(move |file| file.insert_now(record)).await
    }

    /// [`edit_now`](Self::edit_now), for whoever must not block.
    ///
    /// # Errors
    /// As that.
    pub async fn edit(
        &self,
        name: &UserName,
        edit: &UserEdit,
    ) -> Result<UserRecord, EditRejection> {
        let (name, edit) = (name.clone(), edit.clone());
        self.off_the_runtime(move |file| file.edit_now(&name, &edit)).await
    }

    /// [`remove_now`](Self::remove_now), for whoever must not block.
    ///
    /// # Errors
    /// As that.
    pub async fn remove(
        &self,
        name: &UserName,
        admins: AdminsLeft,
    ) -> Result<UserRecord, EditRejection> {
        let name = name.clone();
        self.off_the_runtime(move |file| file.remove_now(&name, admins)).await
    }

    /// Word of changes from now on, made here or, while a watch runs, elsewhere.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.0.changes().listen()
    }

    /// Prepares to watch the file. Blocks while it reads. One that is not there yet holds nobody,
    /// and is none the worse for it.
    ///
    /// # Errors
    /// When it cannot be watched at all.
    pub fn watch(&self) -> Result<UserFileWatch, StoreError> {
        Watch::of(&self.0, Presence::Optional).map(UserFileWatch)
    }

    /// There is nobody in a file that is not there: said as the caller's mistake about the path.
    fn must_exist(&self) -> Result<(), StoreError> {
        self.0.must_exist()
    }

    fn keepable(&self, record: &UserRecord) -> Result<(), StoreError> {
        match unkeepable(record) {
            Some(fault) => Err(refused(shown(self.path()), fault)),
            None => Ok(()),
        }
    }

    async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let file = self.clone();
        match tokio::task::spawn_blocking(move || work(&file)).await {
            Ok(done) => done,
            // A panic of ours goes to our owner.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down and takes us along at this very point.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl fmt::Debug for UserFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserFile").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// What may stand in a file once only.
struct Taken {
    names: HashSet<UserName>,
    emails: HashSet<String>,
}

impl Taken {
    fn of(document: &Document<Users>) -> Self {
        let email = |kept: &KeptUser| kept.record.email.as_deref().map(email_key);
        Self {
            names: document.records().map(|kept| kept.record.name.clone()).collect(),
            emails: document.records().filter_map(email).collect(),
        }
    }

    fn take(&mut self, record: &UserRecord) -> Result<(), AddRejection> {
        if self.names.contains(&record.name) {
            return Err(AddRejection::NameTaken);
        }
        let email = record.email.as_deref().map(email_key);
        if email.as_ref().is_some_and(|email| self.emails.contains(email)) {
            return Err(AddRejection::EmailTaken);
        }
        self.names.insert(record.name.clone());
        self.emails.extend(email);
        Ok(())
    }
}

/// Is there another admin than `name`?
fn is_led_without(document: &Document<Users>, name: &UserName) -> bool {
    let records = document.records().map(|kept| &kept.record);
    records.filter(|record| record.name != *name).any(UserRecord::is_acting_admin)
}

fn is_email_taken(document: &Document<Users>, record: &UserRecord) -> bool {
    let Some(email) = record.email.as_deref().map(email_key) else { return false };
    let mut others = document.records().filter(|kept| kept.record.name != record.name);
    others.any(|kept| kept.record.email.as_deref().map(email_key).as_ref() == Some(&email))
}
