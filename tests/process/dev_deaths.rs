//! `earmark dev` when something dies: what was acknowledged is there at the next start.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::{Signal, kill};

use crate::support::{Client, Dev, Scratch, eventually, gone, is_marked, is_quiet};

/// Marks until nobody answers any more; the conversations whose mark was acknowledged.
fn mark_until_the_end(client: &Client, user: &str, acknowledged: &AtomicUsize) -> Vec<String> {
    let mut kept = Vec::new();
    for number in 0..1000 {
        let peer = format!("{user}-{number}");
        match client.mark(user, &peer) {
            Ok(answer) if is_marked(&answer) => kept.push(peer),
            _ => break,
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    kept
}

/// Kills in the middle of the writing; what was acknowledged, by user.
fn while_marking(client: &Client, kill: impl FnOnce()) -> Vec<(String, Vec<String>)> {
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        let writers: Vec<_> = ["ann", "bob", "eve"]
            .map(|user| (user, scope.spawn(|| mark_until_the_end(client, user, &acknowledged))))
            .into();
        eventually("some marks", || (acknowledged.load(Ordering::SeqCst) >= 30).then_some(()));
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
            let answer = client.call("search_contact_group", &body).unwrap();
            let found = answer.body.matches(r#""StandardMark":"1""#).count();
            assert_eq!(found, hundred.len(), "{answer:?}");
        }
    }
}

#[test]
fn every_acknowledged_mark_survives_kill_9_of_the_service() {
    let scratch = Scratch::new();
    let dev = Dev::start(&scratch);
    let (client, postgres) = (dev.client(), dev.postgres());
    let process = dev.process;
    let acknowledged = while_marking(&client, || process.kill());

    // At once: the next start has to deal with what is left of the first.
    let next = Dev::start(&scratch);
    gone(postgres);
    check_all_there(&next.client(), &acknowledged);
    next.process.stop();
}

#[test]
fn every_acknowledged_mark_survives_kill_9_of_postgres() {
    let scratch = Scratch::new();
    let dev = Dev::start(&scratch);
    let (client, postgres) = (dev.client(), dev.postgres());
    let acknowledged = while_marking(&client, || kill(postgres, Signal::SIGKILL).unwrap());

    let ended = dev.process.ended();
    ended.refused(&["PostgreSQL ended by itself", "what was acknowledged is safe"]);
    let next = Dev::start(&scratch);
    check_all_there(&next.client(), &acknowledged);
    next.process.stop();
}

#[test]
fn every_acknowledged_mark_survives_kill_9_of_both() {
    let scratch = Scratch::new();
    let dev = Dev::start(&scratch);
    let (client, postgres) = (dev.client(), dev.postgres());
    let process = dev.process;
    let acknowledged = while_marking(&client, || {
        process.kill();
        // It may be gone already: it was told to stop when the service died.
        _ = kill(postgres, Signal::SIGKILL);
    });
    let next = Dev::start(&scratch);
    check_all_there(&next.client(), &acknowledged);
    next.process.stop();
}

#[test]
fn dev_ends_with_a_message_when_postgres_is_shut_down() {
    let scratch = Scratch::new();
    let dev = Dev::start(&scratch);
    dev.client().must_mark("user", "friend");
    kill(dev.postgres(), Signal::SIGINT).unwrap();
    let ended = dev.process.ended();
    ended.refused(&["PostgreSQL ended by itself", "postgres.log", "start again"]);
    is_quiet(&scratch);
}
