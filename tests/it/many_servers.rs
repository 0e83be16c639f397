//! Three servers on one database of credentials behind HAProxy, which sends each request to
//! whoever is next: what breaks under load costs answers, and never an identity or a write.

mod balancer;
mod cluster;
mod line;
mod load;
mod upgrade;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Installation, Request, eventually};

use self::cluster::{Cluster, is_well};
use self::line::Loss;
use self::load::{Client, under_load};
pub(crate) use self::upgrade::BY_ID;
use crate::postgres_store::{PASSWORD, by_hand, closes, logs_in, opens, session, status};

/// Three people with sessions that were opened behind the door, and three tokens.
fn clients(cluster: &Cluster) -> Vec<Client> {
    let mut clients = Vec::new();
    for name in ["alice", "bob", "carol"] {
        cluster.installation.add_user(name, PASSWORD);
        let secret = session(cluster.door(), name, PASSWORD);
        clients.push(Client { secret, who: format!("{name}/session:") });
    }
    for _ in 0..3 {
        let (secret, id) = token(&cluster.installation);
        assert!(opens(cluster.door(), &secret));
        clients.push(Client { secret, who: format!("/token:{id}\n") });
    }
    // Who logs in and out meanwhile.
    cluster.installation.add_user("dora", PASSWORD);
    clients
}

fn token(installation: &Installation) -> (String, String) {
    (installation.add_token(&[]), installation.newest_id())
}

fn log_out(to: SocketAddr, session: &str) {
    assert_eq!(Request::new("POST", "/auth/logout").bearer(session).send(to).status, 200);
}

fn admin(installation: &Installation, arguments: &[&str]) {
    let output = installation.admin(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn servers_that_are_killed_under_load_cost_answers_and_no_identity_and_no_write() {
    let mut cluster = Cluster::start("");
    let clients = clients(&cluster);
    let (mut made, mut removed) = (Vec::new(), Vec::new());
    let door = cluster.door();
    let written = under_load(door, &clients, "dora", |tally| {
        for index in 0..3 {
            let (gone, id) = token(&cluster.installation);
            let name = format!("erin{index}");
            cluster.installation.add_user(&name, PASSWORD);
            let disabled = session(door, &name, PASSWORD);
            cluster.kill(index);
            made.push(token(&cluster.installation).0);
            admin(&cluster.installation, &["tokens", "remove", &id]);
            admin(&cluster.installation, &["users", "disable", &name]);
            removed.extend([gone, disabled]);
            assert!(tally.goes_on(), "the others serve");
            cluster.start_again(index);
            assert!(tally.goes_on(), "all serve");
        }
    });
    let places = cluster.places();
    for to in &places {
        assert!(made.iter().all(|token| opens(*to, token)), "at {to}");
        assert!(removed.iter().all(|gone| closes(*to, gone)), "at {to}");
        assert!(clients.iter().all(|client| opens(*to, &client.secret)), "at {to}");
    }
    written.assert_holds(&places);
}

/// Ends one server after the other in this way, under load: nobody is refused, nothing is lost.
fn each_in_turn(mut cluster: Cluster, end: fn(&mut Cluster, usize)) {
    let clients = clients(&cluster);
    let written = under_load(cluster.door(), &clients, "dora", |tally| {
        for index in 0..3 {
            end(&mut cluster, index);
            assert!(tally.goes_on(), "the others serve");
            cluster.start_again(index);
        }
        assert!(tally.goes_on(), "all serve");
        assert_eq!((tally.failed(), tally.unwritten()), (0, 0));
    });
    written.assert_holds(&cluster.places());
}

#[test]
fn servers_that_are_replaced_one_after_the_other_under_load_cost_nobody_an_answer() {
    each_in_turn(Cluster::start(""), Cluster::stop);
}

#[test]
fn servers_that_are_stopped_by_a_signal_under_load_cost_nobody_an_answer_where_they_say_so_first() {
    // Forty checks of the balancer, which leaves a server out after two.
    each_in_turn(Cluster::start_with_lead("4s"), Cluster::terminate);
}

#[test]
fn a_database_that_crashes_and_restarts_under_load_costs_answers_and_no_identity_and_no_write() {
    let mut cluster = Cluster::start("");
    // What the throwaway server leaves out for speed: an acknowledged commit is in its log.
    by_hand(&cluster.installation, "ALTER DATABASE people SET synchronous_commit = on");
    let clients = clients(&cluster);
    let door = cluster.door();
    let written = under_load(door, &clients, "dora", |tally| {
        for crashes in [false, true] {
            let failed = tally.failed();
            let postgres = cluster.installation.postgres_mut();
            if crashes {
                postgres.crash();
            } else {
                postgres.stop();
            }
            assert!(eventually(|| tally.failed() > failed + 10));
            cluster.installation.postgres_mut().resume().unwrap();
            assert!(tally.goes_on(), "they recover by themselves");
            assert!(cluster.is_well());
        }
    });
    let places = cluster.places();
    for to in &places {
        assert!(clients.iter().all(|client| opens(*to, &client.secret)), "at {to}");
    }
    written.assert_holds(&places);
}

/// A session, a token and a session of somebody who will be disabled, each good everywhere.
struct Doomed {
    session: String,
    token: String,
    token_id: String,
    of_disabled: String,
}

impl Doomed {
    fn make(cluster: &Cluster) -> Self {
        let installation = &cluster.installation;
        let places = cluster.places();
        installation.add_user("erin", PASSWORD);
        let (token, token_id) = token(installation);
        let session_of = |name| session(places[0], name, PASSWORD);
        let (session, of_disabled) = (session_of("alice"), session_of("erin"));
        let made = Self { session, token, token_id, of_disabled };
        for to in places {
            assert!(made.secrets().iter().all(|secret| opens(to, secret)));
        }
        made
    }

    /// Ends all three, none at the last server.
    fn end(&self, cluster: &Cluster) {
        let places = cluster.places();
        log_out(places[0], &self.session);
        admin(&cluster.installation, &["tokens", "remove", &self.token_id]);
        admin(&cluster.installation, &["users", "disable", "erin"]);
        for to in &places[..2] {
            assert!(self.secrets().iter().all(|secret| closes(*to, secret)), "at {to}");
        }
    }

    /// The answers to all three.
    fn statuses(&self, to: SocketAddr) -> [u16; 3] {
        self.secrets().map(|secret| status(to, secret))
    }

    fn secrets(&self) -> [&str; 3] {
        [&self.session, &self.token, &self.of_disabled]
    }
}

/// Waits until none of them is good any more, for no longer than that may take.
fn no_longer_good(to: SocketAddr, doomed: &Doomed, bound: Duration) -> bool {
    let ended = Instant::now();
    while ended.elapsed() < bound {
        if doomed.statuses(to).iter().all(|status| *status != 200) {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    false
}

#[test]
fn where_no_word_arrives_what_was_ended_elsewhere_is_good_for_no_longer_than_a_cache_may_last() {
    let (cluster, line) = Cluster::start_with_line("  cache_ttl: 30s\n");
    let clients = clients(&cluster);
    let doomed = Doomed::make(&cluster);
    let deaf = cluster.places()[2];
    let written = under_load(cluster.door(), &clients, "dora", |tally| {
        line.lose(Loss::Word);
        doomed.end(&cluster);
        assert!(no_longer_good(deaf, &doomed, Duration::from_secs(30)));
        cluster.server(2).wait_for_line("No word of changes from other servers");
        assert!(eventually(|| !is_well(deaf)), "it says so");
        assert!(tally.goes_on());
        assert_eq!(doomed.statuses(deaf), [401; 3], "once refused, never good again");
        line.lose(Loss::Nothing);
        assert!(cluster.is_well());
        assert!(tally.goes_on());
    });
    assert_eq!(doomed.statuses(deaf), [401; 3]);
    let places = cluster.places();
    let after = session(deaf, "bob", PASSWORD);
    assert!(places.iter().all(|to| opens(*to, &after)));
    log_out(places[0], &after);
    assert!(places.iter().all(|to| closes(*to, &after)), "word arrives again");
    written.assert_holds(&places);
}

/// The session token of a login over REST.
fn rest_session(to: SocketAddr, name: &str) -> String {
    let body = json!({ "username": name, "password": PASSWORD });
    let request = Request::new("POST", "/auth/login").header("Content-Type", "application/json");
    let answer = request.body(&body.to_string()).send(to);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn what_one_server_lets_in_the_others_do_at_the_very_next_request() {
    let cluster = Cluster::start_with_usual_limits();
    cluster.installation.add_user("alice", PASSWORD);
    let places = cluster.places();
    for turn in 0..30 {
        let at = places[turn % 3];
        let opened = match turn % 2 {
            0 => session(at, "alice", PASSWORD),
            _ => rest_session(at, "alice"),
        };
        assert_eq!(places.map(|to| status(to, &opened)), [200; 3], "login {turn}");
        let (token, _) = token(&cluster.installation);
        assert_eq!(status(at, &token), 200, "login {turn}");
    }
}

#[test]
fn where_no_word_arrives_what_is_made_elsewhere_opens_the_door_at_once() {
    let (cluster, line) = Cluster::start_with_line("  cache_ttl: 60s\n");
    cluster.installation.add_user("alice", PASSWORD);
    let [one, _, deaf] = cluster.places();
    assert!(logs_in(deaf, "alice", PASSWORD));
    line.lose(Loss::Word);
    for _ in 0..10 {
        assert!(opens(deaf, &session(one, "alice", PASSWORD)));
        let brief = session(one, "alice", PASSWORD);
        log_out(one, &brief);
        assert_eq!(status(deaf, &brief), 401, "what is over is asked for in vain");
        assert!(opens(deaf, &token(&cluster.installation).0));
    }
    // Of him, no word has come either.
    cluster.installation.add_user("erin", PASSWORD);
    assert!(opens(deaf, &session(one, "erin", PASSWORD)));
    let nobodys = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=";
    assert_eq!(status(deaf, nobodys), 401);
    line.lose(Loss::Everything);
    assert_eq!(status(deaf, nobodys), 503, "nobody can tell");
}

#[test]
fn a_server_that_is_cut_off_lets_in_what_was_ended_elsewhere_for_no_longer_than_it_may_stand_in() {
    let (cluster, line) = Cluster::start_with_line("  cache_ttl: 30s\n  cache_max_stale: 1s\n");
    let clients = clients(&cluster);
    let doomed = Doomed::make(&cluster);
    let cut = cluster.places()[2];
    let written = under_load(cluster.door(), &clients, "dora", |tally| {
        line.lose(Loss::Everything);
        doomed.end(&cluster);
        assert!(no_longer_good(cut, &doomed, Duration::from_secs(31)));
        assert!(doomed.statuses(cut).iter().all(|status| [401, 503].contains(status)));
        assert!(cluster.is_left_out(2), "nobody is sent to it");
        assert!(tally.goes_on(), "the others serve");
        line.lose(Loss::Nothing);
        assert!(cluster.is_well());
        assert!(eventually(|| doomed.statuses(cut) == [401; 3]), "never good again");
        assert!(tally.goes_on());
    });
    written.assert_holds(&cluster.places());
}

#[test]
fn a_guess_that_is_spread_over_three_servers_counts_once_and_locks_at_all() {
    let cluster = Cluster::start_with_usual_limits();
    cluster.installation.add_user("alice", PASSWORD);
    let door = cluster.door();
    let counted = "SELECT failed_login_attempts, locked_until > now() FROM users";
    for attempt in 1..=5 {
        assert!(!logs_in(door, "alice", &format!("Wrong{attempt}Password")));
        let locked = if attempt == 5 { "t" } else { "" };
        let count = by_hand(&cluster.installation, counted);
        assert_eq!(count.trim_end(), format!("{attempt}|{locked}"));
    }
    assert!(cluster.places().into_iter().all(|to| !logs_in(to, "alice", PASSWORD)));
    admin(&cluster.installation, &["users", "unlock", "alice"]);
    assert!(cluster.places().into_iter().all(|to| logs_in(to, "alice", PASSWORD)));
}

#[test]
fn failures_are_counted_for_the_client_that_the_balancer_saw_and_not_for_whom_he_says_he_is() {
    let cluster = Cluster::start_with_usual_limits();
    let arguments = json!({ "username": "nobody", "password": PASSWORD });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    for liar in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        let refused = Request::mcp(&message).header("X-Forwarded-For", liar).send(cluster.door());
        assert_eq!(refused.status, 200, "{}", refused.text());
    }
    let seen = by_hand(&cluster.installation, "SELECT address FROM mcp_addresses");
    assert_eq!(seen.trim_end(), "127.0.0.1");
}
