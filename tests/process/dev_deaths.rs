//! `earmark dev` when a process is killed: the next start has every acknowledged mark.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::{Signal, kill};
use testkit::{Client, Scratch, assert_stopped, wait_until, wait_until_gone};

use crate::EARMARK;

/// Marks until the service does not answer. Returns the conversations whose mark was acknowledged.
fn mark_until_no_answer(client: &Client, user: &str, acknowledged: &AtomicUsize) -> Vec<String> {
    let mut kept = Vec::new();
    for number in 0..1000 {
        let peer = format!("{user}-{number}");
        match client.mark(user, &peer) {
            Ok(answer) if answer.is_marked() => kept.push(peer),
            _ => break,
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    kept
}

/// Calls `kill` while clients mark. Returns the acknowledged marks of each user.
fn while_marking(client: &Client, kill: impl FnOnce()) -> Vec<(String, Vec<String>)> {
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        let writers: Vec<_> = ["ann", "bob", "eve"]
            .map(|user| (user, scope.spawn(|| mark_until_no_answer(client, user, &acknowledged))))
            .into();
        wait_until("30 marks", || acknowledged.load(Ordering::SeqCst) >= 30);
        kill();
        writers.into_iter().map(|(user, kept)| (user.to_owned(), kept.join().unwrap())).collect()
    })
}

#[track_caller]
fn check_all_there(client: &Client, acknowledged: &[(String, Vec<String>)]) {
    let total: usize = acknowledged.iter().map(|(_, kept)| kept.len()).sum();
    assert!(total >= 30, "only {total} marks were acknowledged");
    for (user, kept) in acknowledged {
        for hundred in kept.chunks(100) {
            let wanted: Vec<_> = hundred
                .iter()
                .map(|peer| format!(r#"{{"Type":1,"To_Account":"{peer}"}}"#))
                .collect();
            let body =
                format!(r#"{{"From_Account":"{user}","ContactItem":[{}]}}"#, wanted.join(","));
            let answer = client.call("recentcontact/search_contact_group", &body).unwrap();
            let found = answer.body.matches(r#""StandardMark":"1""#).count();
            assert_eq!(found, hundred.len(), "{answer:?}");
        }
    }
}

#[test]
fn every_acknowledged_mark_survives_kill_9_of_the_service() {
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    let (client, postgres) = (dev.client(), dev.postgres());
    let process = dev.process;
    let acknowledged = while_marking(&client, || process.kill());

    // The PostgreSQL of the first start may still run.
    let next = EARMARK.start_dev(&scratch);
    wait_until_gone(postgres);
    check_all_there(&next.client(), &acknowledged);
    next.process.stop();
}

#[test]
fn every_acknowledged_mark_survives_kill_9_of_postgres() {
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    let (client, postgres) = (dev.client(), dev.postgres());
    let acknowledged = while_marking(&client, || kill(postgres, Signal::SIGKILL).unwrap());

    let exit = dev.process.wait();
    exit.expect_failure(&["PostgreSQL ended by itself", "what was acknowledged is safe"]);
    let next = EARMARK.start_dev(&scratch);
    check_all_there(&next.client(), &acknowledged);
    next.process.stop();
}

#[test]
fn every_acknowledged_mark_survives_kill_9_of_both() {
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    let (client, postgres) = (dev.client(), dev.postgres());
    let process = dev.process;
    let acknowledged = while_marking(&client, || {
        process.kill();
        // PostgreSQL may have ended already, because it stops when the service dies.
        _ = kill(postgres, Signal::SIGKILL);
    });
    let next = EARMARK.start_dev(&scratch);
    check_all_there(&next.client(), &acknowledged);
    next.process.stop();
}

#[test]
fn dev_ends_with_a_message_when_postgres_is_shut_down() {
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    dev.client().must_mark("user", "friend");
    kill(dev.postgres(), Signal::SIGINT).unwrap();
    let exit = dev.process.wait();
    exit.expect_failure(&["PostgreSQL ended by itself", "postgres.log", "start again"]);
    assert_stopped(&scratch);
}
