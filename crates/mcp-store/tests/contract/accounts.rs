use mcp_store::{MemoryAccounts, contract};
use tokio::task::LocalSet;

use crate::broken_accounts::{BrokenAccounts, Fault};

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    contract::accounts(async || MemoryAccounts::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_breaks_a_promise_is_caught_in_a_sentence() {
    let faults = [
        (Fault::Shuffles, "accounts() gives every account, whole and in order"),
        (Fault::ForgetsNotes, "accounts() gives every account, whole and in order"),
        (Fault::ComparesNamesWithCase, "a name is taken in any spelling: ÉTIENNE"),
        (Fault::ComparesAddressesWithCase, "an address is taken in upper and lower case"),
        (Fault::PassesHistoryOn, "who is made again inherits no lock"),
        (Fault::EditsTooMuch, "an edit gives the account as it is now"),
        (Fault::EditsChangedPasswords, "the password is another by now"),
        (Fault::ForgetsThePast, "passwords of before are given newest first"),
        (Fault::RemembersTooMuch, "no more than were to be kept"),
        (Fault::RemembersOldestFirst, "passwords of before are given newest first"),
        (Fault::RemembersUnasked, "nothing is remembered unless that is asked for"),
        (Fault::RemembersWhatIsRefused, "an edit that is refused remembers nothing"),
        (Fault::RemembersWeakerHashes, "a stronger hash is no other password"),
        (Fault::PassesThePastOn, "who is gone has no past"),
        (Fault::RepeatsItselfInLists, "a list ends"),
        (Fault::TakesTheLastAdmin, "the last admin is not deleted"),
        (Fault::LooksBeforeItTakesAdmins, "of the last two admins, one stays"),
        (Fault::DisablesWithoutEndingSessions, "disabling ends every session"),
        (Fault::EnablesWithoutUnlocking, "enabling lifts a lock"),
        (Fault::KeepsPlaces, "a place that was given back is free"),
        (Fault::ProlongsLocks, "an attempt while locked does not prolong the lock"),
        (Fault::LocksForEver, "the failure that reaches the limit locks"),
        (Fault::LetsChangedPasswordsIn, "the account got another password meanwhile"),
        (Fault::LetsOtherAccountsIn, "the account was made again meanwhile"),
        (Fault::CountsLateFailures, "a late failure is none of who was made again"),
        (Fault::GivesForeignPlacesBack, "a late withdrawal is none of who was made again"),
        (Fault::IgnoresTheLimit, "the limit ends the session used least recently"),
        (Fault::ForgetsUses, "the limit ends the session used least recently"),
        (Fault::FindsNoSession, "find_session() gives the session of an id"),
        (Fault::FindsEndedSessions, "a session that has ended is not found"),
        (Fault::FindsSessionsOfNobody, "a session is not found when its account is no more"),
        (Fault::EndsTheCurrentSession, "exactly those that ended: OfUser(\"uSeR 1\", Some("),
        (Fault::SweepsLate, "a session is over at the instant it names"),
        (Fault::SaysNothing, "a new account is told"),
        (Fault::GivesPlacesWithoutEnd, "attempts in flight fill the limit"),
        (Fault::LooksBeforeItTakes, "at most so many guesses are evaluated as the limit says"),
        (Fault::SharesNoPlaces, "one place lets in all fifty who share it"),
    ];
    for (fault, sentence) in faults {
        let suite = contract::accounts(async move || BrokenAccounts::new(fault));
        let said = what_is_said(suite, fault).await;
        assert!(said.contains(sentence), "{fault:?}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_of_letters_and_links_that_breaks_a_promise_is_caught_in_a_sentence() {
    let faults = [
        (Fault::LosesLetters, "a letter is due in minute 3"),
        (Fault::GivesOneLetterToAll, "what is taken is not there"),
        (Fault::KeepsLettersOfTomorrow, "a letter is due in minute 1"),
        (Fault::LetsTheLatePutOff, "who is late does not put a letter off"),
        (Fault::LetsTheLateFinish, "who is late does not take a letter away"),
        (Fault::FindsAddressesWithCase, "an address is found in upper and lower case"),
        (Fault::MintsForTheDisabled, "who is disabled has no link"),
        (Fault::SpendsByLooking, "a link is as good as before it was looked at"),
        (Fault::KeepsOlderLinks, "a newer link voids the older"),
        (Fault::KeepsLinksOfChanged, "a link is void after UserEdit"),
        (Fault::ExpiresLinksLate, "a link is over at the instant it names"),
        (Fault::TellsNoEnd, "a link is over at the instant it names"),
        (Fault::RemembersForEver, "what was over for a day is forgotten"),
        (Fault::SaysNothing, "a password that is reset is told"),
        (Fault::AsksForAnother, "the password is set"),
        (Fault::SpendsAgain, "a link is spent once"),
        (Fault::SpendsWithoutMemory, "a link remembers the password that goes"),
        (Fault::SpendsOverOthers, "a link is not spent over a password that nobody looked at"),
        (Fault::LooksBeforeItSpends, "of fifty who spend a link, one does"),
        (Fault::KeepsLocks, "no lock stays"),
        (Fault::EndsNoSessions, "its sessions end"),
        (Fault::EndsSessionsAnyway, "no session ends"),
        (Fault::ConfirmsNothing, "a letter is due in minute 90"),
        (Fault::ConfirmsAnyway, "no word waits"),
    ];
    for (fault, sentence) in faults {
        let suite = contract::recovery(async move || BrokenAccounts::new(fault));
        let said = what_is_said(suite, fault).await;
        assert!(said.contains(sentence), "{fault:?}: {said}");
    }
}

/// What a suite says that is to fail.
async fn what_is_said(suite: impl Future<Output = ()> + 'static, fault: Fault) -> String {
    let here = LocalSet::new();
    let task = here.spawn_local(suite);
    here.await;
    let Err(failed) = task.await else { panic!("{fault:?} is not caught") };
    failed.into_panic().downcast_ref::<String>().cloned().unwrap_or_default()
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract_of_recovery() {
    contract::recovery(async || MemoryAccounts::new()).await;
}
