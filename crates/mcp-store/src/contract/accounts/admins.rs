//! The last admin stays where that is asked for, whoever comes at the same time.

use mcp_identity::{RoleName, UserName};

use super::people::{edit, keep, log_in, password, plain, read, read_sessions, untried, user};
use super::races::{successes, together};
use crate::account::{ADMIN_ROLE, AdminsLeft, UserEdit, UserRecord};
use crate::account_store::{Account, AccountStore, EditRejection};
use crate::contract::{hold, must};

/// So many take one of the last two away at once.
const RIVALS: u64 = 20;
const RACES: u64 = 5;

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    the_last_admin_stays_where_that_is_asked_for(&make().await).await;
    who_makes_another_admin_may_take_the_last_one_away(&make().await).await;
    who_is_no_admin_is_never_the_last_one(&make().await).await;
    an_edit_that_comes_late_is_told_so_of_the_last_admin_too(&make().await).await;
    for race in 0..RACES {
        of_the_last_two_admins_one_stays_whoever_takes_them_away(&make().await, race).await;
    }
}

fn admin(n: u64) -> UserRecord {
    let roles = ["operator", ADMIN_ROLE].map(|role| must(RoleName::parse(role)));
    UserRecord { roles: roles.into(), ..plain(n) }
}

/// Takes the role away, and leaves another.
fn demotion() -> UserEdit {
    let roles = Some([must(RoleName::parse("operator"))].into());
    UserEdit { roles, admins: AdminsLeft::AtLeastOne, ..UserEdit::default() }
}

fn disabling() -> UserEdit {
    UserEdit { enabled: Some(false), admins: AdminsLeft::AtLeastOne, ..UserEdit::default() }
}

async fn the_last_admin_stays_where_that_is_asked_for(store: &dyn AccountStore) {
    // Of those who are not enabled, nobody looks after anything.
    let others = [plain(2), UserRecord { enabled: false, ..admin(3) }];
    keep(store, [admin(1)]).await;
    keep(store, others).await;
    let session = log_in(store, &admin(1), 1).await;
    let before = read(store).await;
    let last = Err(EditRejection::LastAdmin);
    let deleted = store.delete_account(&user(1), AdminsLeft::AtLeastOne).await;
    hold("the last admin is not deleted", &deleted.map(|_| ()), &last);
    for change in [demotion(), disabling()] {
        let sentence = format!("the last admin stays one: {change:?}");
        let refused = store.edit_account(&user(1), change).await;
        hold(&sentence, &refused.map(|_| ()), &last);
    }
    hold("what would take the last admin away changes nothing", &read(store).await, &before);
    let left = read_sessions(store).await;
    hold("what would take the last admin away ends no session", &left, &vec![session]);
    let other = UserEdit { note: Some("edited".to_owned()), ..demotion() };
    let other = UserEdit { roles: Some(admin(1).roles), ..other };
    let edited = edit(store, &user(1), other).await;
    hold("the last admin may be edited otherwise", &edited.record.is_acting_admin(), &true);
}

async fn who_makes_another_admin_may_take_the_last_one_away(store: &dyn AccountStore) {
    keep(store, [admin(1), admin(2), admin(3)]).await;
    let last = |edit| UserEdit { admins: AdminsLeft::MayBeNone, ..edit };
    let demoted = edit(store, &user(1), demotion()).await;
    hold("one of several admins is demoted", &demoted.record.is_acting_admin(), &false);
    let demoted = edit(store, &user(2), disabling()).await;
    hold("one of two admins is disabled", &demoted.record.enabled, &false);
    let demoted = edit(store, &user(3), last(demotion())).await;
    hold("the last admin is demoted by whoever may", &demoted.record.is_acting_admin(), &false);
    keep(store, [admin(4)]).await;
    let deleted = store.delete_account(&user(4), AdminsLeft::MayBeNone).await;
    hold("the last admin is deleted by whoever may", &deleted, &Ok(admin(4)));
}

async fn who_is_no_admin_is_never_the_last_one(store: &dyn AccountStore) {
    keep(store, [plain(1), UserRecord { enabled: false, ..admin(2) }, plain(3)]).await;
    for n in [1, 2] {
        for change in [demotion(), disabling()] {
            let _ = edit(store, &user(n), change).await;
        }
        let deleted = store.delete_account(&user(n), AdminsLeft::AtLeastOne).await;
        hold("who is no admin is deleted", &deleted.is_ok(), &true);
    }
    hold("the others stay", &read(store).await, &untried([plain(3)]));
    let nobody = store.delete_account(&user(9), AdminsLeft::AtLeastOne).await;
    hold("nobody is not the last admin", &nobody, &Err(EditRejection::NotFound));
}

async fn an_edit_that_comes_late_is_told_so_of_the_last_admin_too(store: &dyn AccountStore) {
    keep(store, [admin(1)]).await;
    let late = UserEdit { checked: Some(password(9)), ..disabling() };
    let refused = store.edit_account(&user(1), late).await;
    hold("the edit was meant for another password", &refused, &Err(EditRejection::NotFound));
}

async fn of_the_last_two_admins_one_stays_whoever_takes_them_away(
    store: &dyn AccountStore,
    race: u64,
) {
    keep(store, [admin(1), plain(2), admin(3)]).await;
    let rivals = (0..RIVALS).map(|n| {
        let name = user(if (n + race).is_multiple_of(2) { 1 } else { 3 });
        async move { take_away(store, &name, n / 2 + race).await }
    });
    let answers = together(rivals).await;
    let left = read(store).await;
    let acting = left.iter().filter(|account| account.record.is_acting_admin()).count();
    hold("of the last two admins, one stays", &acting, &1);
    hold("somebody is taken away", &(successes(&answers) > 0), &true);
    let odd = |answer: &&Result<(), EditRejection>| {
        !matches!(answer, Ok(()) | Err(EditRejection::LastAdmin | EditRejection::NotFound))
    };
    hold("whoever comes too late is told why", &answers.iter().find(odd), &None);
}

/// By one of three ways.
async fn take_away(
    store: &dyn AccountStore,
    name: &UserName,
    way: u64,
) -> Result<(), EditRejection> {
    let gone = |_: Account| ();
    match way % 3 {
        0 => store.delete_account(name, AdminsLeft::AtLeastOne).await.map(|_| ()),
        1 => store.edit_account(name, demotion()).await.map(gone),
        _ => store.edit_account(name, disabling()).await.map(gone),
    }
}
