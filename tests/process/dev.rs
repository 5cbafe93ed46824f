//! `earmark dev`: one command, and a conversation can be marked.

use std::net::TcpListener;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{
    Dev, Program, Scratch, between, dev, is_marked, is_quiet, mark_body, request, text,
};

#[test]
fn the_line_it_prints_marks_a_conversation_when_pasted() {
    let scratch = Scratch::new();
    let dev = Dev::start(&scratch);
    let body = match Command::new("sh").args(["-c", &format!("{} --silent", dev.curl)]).output() {
        Ok(pasted) if pasted.status.code() != Some(127) => {
            String::from_utf8(pasted.stdout).unwrap()
        }
        // No curl here: the same request by hand.
        _ => {
            let path = format!("/{}", between(&dev.curl, &format!("{}/", dev.address), "'"));
            request(dev.address, "POST", &path, between(&dev.curl, "-d '", "'")).unwrap().body
        }
    };
    assert_eq!(
        body,
        r#"{"ResultItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user1"},"ResultCode":0,"ResultInfo":""}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
    );
    let marks = dev.client().marks("user0");
    assert!(marks.contains(r#""To_Account":"user1""#) && marks.contains("abcd"), "{marks}");
    dev.process.stop();
    is_quiet(&scratch);
}

#[test]
fn a_second_start_finds_the_marks_and_the_key_of_the_first() {
    let scratch = Scratch::new();
    let first = Dev::start(&scratch);
    let (client, key) = (first.client(), first.secret_key());
    client.must_mark("user", "friend");
    let marks = client.marks("user");
    assert!(marks.contains("friend"), "{marks}");
    first.process.stop();

    let second = Dev::start(&scratch);
    assert_eq!(second.secret_key(), key);
    assert_eq!(second.client().marks("user"), marks);
    let old_sig = crate::support::Client { address: second.address, ..client };
    assert_eq!(old_sig.marks("user"), marks, "what the first has signed is still good");
    second.process.stop();
}

#[test]
fn ctrl_c_and_sigterm_end_both_processes_well() {
    let scratch = Scratch::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let dev = Dev::start(&scratch);
        dev.process.send(signal);
        let ended = dev.process.ended();
        assert_eq!(ended.code, Some(0), "{signal}: {ended:?}");
        is_quiet(&scratch);
    }
}

#[test]
fn a_signal_during_the_start_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let process = dev(&scratch.join("data")).env("EARMARK_LOG", "debug").start();
    // The server runs by now, the migrations do not.
    process.stderr.line("started");
    process.send(Signal::SIGTERM);
    let ended = process.ended();
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{ended:?}");
    is_quiet(&scratch);
}

#[test]
fn a_second_dev_in_the_same_folder_names_the_folder_and_gives_up() {
    let scratch = Scratch::new();
    let first = Dev::start(&scratch);
    let second = dev(&scratch.join("data")).run();
    second.refused(&[&text(&scratch.join("data")), "use"]);
    first.client().must_mark("user", "friend");
    first.process.stop();
}

#[test]
fn a_port_that_is_taken_is_named_and_no_postgres_is_left() {
    let scratch = Scratch::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = text(&scratch.join("data"));
    let ended = Program::earmark(["dev", "--listen", &address, "--data", &data]).run();
    ended.refused(&[&format!("cannot listen on {address}"), "--listen", "in use"]);
    assert!(!ended.stderr.contains("None"), "words for people: {}", ended.stderr);
    is_quiet(&scratch);
}

#[test]
fn binaries_that_are_not_there_are_named() {
    let scratch = Scratch::new();
    let nowhere = text(&scratch.join("nowhere"));
    let by_flag = dev(&scratch.join("data")).args(["--pg-bin", &nowhere]).run();
    by_flag.refused(&["--pg-bin", "EARMARK_PG_BIN", &nowhere]);
    let by_variable = dev(&scratch.join("data")).env("EARMARK_PG_BIN", &nowhere).run();
    by_variable.refused(&["--pg-bin", "EARMARK_PG_BIN", &nowhere]);
}

#[test]
fn the_secret_key_in_the_folder_signs() {
    let scratch = Scratch::new();
    let dev = Dev::start(&scratch);
    let key = scratch.join("data/secret-key");
    let signed = Program::earmark(["sig", "1400000001"]).env("EARMARK_SECRET_KEY_FILE", key).run();
    let sig = signed.printed();
    let path = format!(
        "/v4/recentcontact/mark_contact?sdkappid=1400000001&identifier=administrator&usersig={}",
        sig.trim()
    );
    let answer = request(dev.address, "POST", &path, &mark_body("user", "friend")).unwrap();
    assert!(is_marked(&answer), "{answer:?}");
    dev.process.stop();
}
