//! `users`: accounts made, changed, removed.

mod reset_link;
mod show;

use std::collections::BTreeSet;

use mcp_config::PasswordAlgorithm;
use mcp_identity::{AuditAction, Subject, UserName};
use mcp_password::Owner;
use mcp_store::{
    Account, AddRejection, AdminsLeft, EditRejection, StoredHash, UserEdit, UserRecord,
};
use serde_json::json;

use self::show::Lockouts;
use crate::accounts::Accounts;
use crate::cli::{AddUserArgs, HashAlgorithm, PasswordArgs, UpdateUserArgs, UsersCommand};
use crate::desk::Desk;
use crate::output::{Fault, warn};
use crate::passwords::{Passwords, Source};
use crate::{accounts, grants, prompt, transfer};

pub(crate) fn run(command: UsersCommand, desk: &Desk) -> Result<(), Fault> {
    match command {
        UsersCommand::Add(arguments) => add(&arguments, desk),
        UsersCommand::List => show::list(desk),
        UsersCommand::Show { name } => show::one(&name, desk),
        UsersCommand::Update(arguments) => update(&arguments, desk),
        UsersCommand::Enable { name } => switch(&name, true, desk),
        UsersCommand::Disable { name } => switch(&name, false, desk),
        UsersCommand::Unlock { name } => unlock(&name, desk),
        UsersCommand::ResetLink { name } => reset_link::reset_link(&name, desk),
        UsersCommand::Delete { name, yes } => delete(&name, yes, desk),
        UsersCommand::Import { file } => transfer::import(&file, desk),
        UsersCommand::Export => transfer::export(desk),
    }
}

/// Prints a hash as a store keeps it.
pub(crate) fn hash_password(algorithm: Option<HashAlgorithm>, desk: &Desk) -> Result<(), Fault> {
    let config = desk.config()?;
    let passwords = match algorithm {
        None => Passwords::new(config),
        Some(HashAlgorithm::Bcrypt) => Passwords::with(config, PasswordAlgorithm::Bcrypt),
        Some(HashAlgorithm::Argon2id) => Passwords::with(config, PasswordAlgorithm::Argon2id),
    }?;
    let source = if prompt::is_possible() { Source::Asked } else { Source::StandardInput };
    let nobody = Owner { user_name: "", email: None };
    let hash = desk.wait(passwords.obtain(source, nobody, &[]))?;
    desk.output.show(&format!("{}\n", hash.expose()), &json!({ "hash": hash.expose() }))
}

fn add(arguments: &AddUserArgs, desk: &Desk) -> Result<(), Fault> {
    let passwords = Passwords::new(desk.config()?)?;
    let databases = grants::configured(desk)?;
    let databases = arguments.databases.iter().map(|name| grants::database(name, &databases));
    let databases: Vec<_> = databases.collect::<Result<_, _>>()?;
    let (roles, db_role) =
        (grants::roles(&arguments.roles)?, grants::db_role(arguments.db_role.as_deref())?);
    let store = accounts::open(desk)?;
    let name = new_name(arguments.name.as_deref(), &store, desk)?;
    let owner = Owner { user_name: name.as_str(), email: arguments.email.as_deref() };
    let source = source(&arguments.password)?;
    let hash = desk.wait(passwords.obtain(source, owner, &[]))?;
    let note = match &arguments.note {
        Some(note) => note.clone(),
        // Standard input may have no more to say.
        None if source == Source::StandardInput || !prompt::is_possible() => String::new(),
        None => prompt::ask("Note (optional): ")?,
    };
    let record = UserRecord {
        email: arguments.email.clone().filter(|email| !email.is_empty()),
        note,
        roles,
        databases: (!databases.is_empty()).then(|| databases.into_iter().collect()),
        db_role,
        read_only: arguments.read_only,
        ..UserRecord::new(name, StoredHash::new(hash.expose()), desk.now)
    };
    desk.wait(store.add_account(record.clone())).map_err(about(&record.name))?;
    desk.record(AuditAction::AddUser, Subject::User(record.name.clone()));
    changed("User added", &Account::new(record), desk)
}

/// The name of a new account, asked for where nobody gave it. Taken or not is said before anybody
/// thinks of a password.
fn new_name(given: Option<&str>, store: &Accounts, desk: &Desk) -> Result<UserName, Fault> {
    let vacant =
        |text: &str| {
            let name = accounts::name(text)?;
            match desk.wait(store.find_account(&name))? {
                None => Ok(name),
                Some(_) => Err(Fault::from(AddRejection::NameTaken)
                    .hint("the names are in: mcp-admin users list")),
            }
        };
    match given {
        Some(text) => vacant(text),
        None if prompt::is_possible() => prompt::ask_until("Username: ", |text| {
            vacant(text).map_err(|fault| fault.message().to_owned())
        }),
        None => Err(Fault::usage("no user name was given").hint("mcp-admin users add NAME")),
    }
}

fn update(arguments: &UpdateUserArgs, desk: &Desk) -> Result<(), Fault> {
    let name = accounts::name(&arguments.name)?;
    let passwords = Passwords::new(desk.config()?)?;
    let fields = fields(arguments)?;
    let revoke = arguments.revoke_sessions;
    let nothing_else = fields == UserEdit::default() && !revoke;
    let store = accounts::open(desk)?;
    let account = desk.wait(store.find_account(&name))?.ok_or(EditRejection::NotFound)?;
    let mut edit = UserEdit { end_sessions: revoke.then_some(None), ..fields.clone() };
    if nothing_else || arguments.password.is_given() {
        let email = fields.email.as_ref().unwrap_or(&account.record.email).as_deref();
        let owner = Owner { user_name: account.record.name.as_str(), email };
        let source = source(&arguments.password)?;
        let last = desk.wait(passwords.last_of(&account.record, &*store))?;
        let hash = desk.wait(passwords.obtain(source, owner, &last))?;
        edit.password = Some(StoredHash::new(hash.expose()));
        edit.past = passwords.past();
        // What was looked at: with another password by now, the last ones are others, too.
        edit.checked = last.into_iter().next();
    }
    let done = [
        (fields != UserEdit::default(), AuditAction::EditUser),
        (edit.password.is_some(), AuditAction::SetPassword),
        (revoke, AuditAction::EndSession),
    ];
    let before = account;
    let account = edited(&name, edit, &store, desk)?;
    let subject = || Subject::User(account.record.name.clone());
    let done = done.into_iter().filter(|(done, _)| *done);
    desk.record_all(done.map(|(_, action)| (action, subject())));
    warn_without_admin(&before, &store, desk);
    changed("User updated", &account, desk)
}

fn edited(
    name: &UserName,
    edit: UserEdit,
    store: &Accounts,
    desk: &Desk,
) -> Result<Account, Fault> {
    let compared = edit.checked.is_some();
    let edited = desk.wait(store.edit_account(name, edit));
    if compared
        && edited == Err(EditRejection::NotFound)
        && desk.wait(store.find_account(name))?.is_some()
    {
        let fault = format!("the password of {name} was written by somebody else meanwhile");
        return Err(Fault::refused(fault).hint("run the command again, if yours shall hold"));
    }
    edited.map_err(about(name))
}

/// What an update says beside the password. Nothing, in so many words, takes away what was there.
fn fields(arguments: &UpdateUserArgs) -> Result<UserEdit, Fault> {
    let roles = match arguments.roles.as_slice() {
        [] => None,
        [none] if none.is_empty() => Some(BTreeSet::new()),
        roles => Some(grants::roles(roles)?),
    };
    let email = arguments.email.clone().map(|email| Some(email).filter(|email| !email.is_empty()));
    Ok(UserEdit { note: arguments.note.clone(), email, roles, ..UserEdit::default() })
}

fn switch(name: &str, enabled: bool, desk: &Desk) -> Result<(), Fault> {
    let name = accounts::name(name)?;
    let (action, said) = if enabled {
        (AuditAction::EnableUser, "User enabled")
    } else {
        (AuditAction::DisableUser, "User disabled")
    };
    let store = accounts::open(desk)?;
    let before = desk.wait(store.find_account(&name))?.ok_or(EditRejection::NotFound);
    let before = before.map_err(about(&name))?;
    let edit = UserEdit { enabled: Some(enabled), ..UserEdit::default() };
    let account = desk.wait(store.edit_account(&name, edit)).map_err(about(&name))?;
    desk.record(action, Subject::User(account.record.name.clone()));
    warn_without_admin(&before, &store, desk);
    changed(said, &account, desk)
}

fn unlock(name: &str, desk: &Desk) -> Result<(), Fault> {
    let name = accounts::name(name)?;
    let store = accounts::open(desk)?;
    let had_something = desk.wait(store.unlock_account(&name))?;
    if had_something {
        desk.record(AuditAction::Unlock, Subject::User(name.clone()));
    }
    let account = desk.wait(store.find_account(&name))?.ok_or(EditRejection::NotFound)?;
    if !account.record.enabled {
        warn(&format!("{} is disabled, and stays so: mcp-admin users enable", account.record.name));
    }
    let said = if had_something { "User unlocked" } else { "User was not locked" };
    changed(said, &account, desk)
}

fn delete(name: &str, yes: bool, desk: &Desk) -> Result<(), Fault> {
    let name = accounts::name(name)?;
    let store = accounts::open(desk)?;
    let account = desk.wait(store.find_account(&name))?.ok_or(EditRejection::NotFound)?;
    let name = &account.record.name;
    if !yes && !prompt::is_possible() {
        return Err(Fault::refused(format!("nobody is there to confirm that {name} is deleted"))
            .hint("say so on the command line: --yes"));
    }
    if !yes && !prompt::confirm(&format!("Delete user {name}?"))? {
        return Err(prompt::cancelled());
    }
    let record =
        desk.wait(store.delete_account(name, AdminsLeft::MayBeNone)).map_err(about(name))?;
    desk.record(AuditAction::DeleteUser, Subject::User(record.name.clone()));
    warn_without_admin(&account, &store, desk);
    changed("User deleted", &Account { record, ..account }, desk)
}

/// Says so when a change has left nobody who looks after the accounts. The operator may do that,
/// unlike an admin: he makes another one with the next command.
fn warn_without_admin(before: &Account, store: &Accounts, desk: &Desk) {
    if !before.record.is_acting_admin() {
        return;
    }
    // What was asked for is done, whether or not this can be looked up.
    let left = desk.wait(store.accounts());
    if left.is_ok_and(|left| !left.iter().any(|it| it.record.is_acting_admin())) {
        warn("nobody is admin any more: mcp-admin users add NAME --role admin");
    }
}

fn changed(said: &str, account: &Account, desk: &Desk) -> Result<(), Fault> {
    let text = format!("{said}: {}\n", account.record.name);
    desk.output.tell(&text, &json!({ "user": show::document(account, &Lockouts::of(desk)?) }))
}

/// The failure of a change, which names the account if the change may stand.
fn about<E: Into<Fault>>(name: &UserName) -> impl Fn(E) -> Fault {
    move |error| error.into().about(format_args!("user {name}"))
}

/// Where the password comes from, if one is needed.
fn source(arguments: &PasswordArgs) -> Result<Source<'_>, Fault> {
    if let Some(password) = &arguments.password {
        warn("everybody on this machine can see a command line: use --password-stdin");
        return Ok(Source::Argument(password));
    }
    if arguments.password_stdin {
        return Ok(Source::StandardInput);
    }
    if prompt::is_possible() {
        return Ok(Source::Asked);
    }
    Err(Fault::refused("nobody is there to ask for a password")
        .hint("give it on standard input: --password-stdin"))
}
