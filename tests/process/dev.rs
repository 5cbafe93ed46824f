//! `earmark dev`: one command starts a service that can mark a conversation.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use testkit::{
    Client, Dev, Scratch, assert_stopped, between, mark_body, request, request_with, text,
};

use crate::EARMARK;

#[test]
fn the_printed_command_marks_a_conversation() {
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    let body = match Command::new("sh").args(["-c", &format!("{} --silent", dev.curl)]).output() {
        Ok(pasted) if pasted.status.code() != Some(127) => {
            String::from_utf8(pasted.stdout).unwrap()
        }
        // There is no curl on this machine, so we send the same request.
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
    assert_stopped(&scratch);
}

#[test]
fn the_printed_command_for_changes_opens_a_stream() {
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    let curl = dev.process.stdout.line("curl --no-buffer 'http://");
    let user = format!("{}/v1/apps/1400000001/users/user0", dev.address);
    assert!(curl.contains(&format!("'http://{user}/events'")), "{curl}");
    let path = format!("/{}/events", user.split_once('/').unwrap().1);
    let header = between(&curl, "-H '", "'");
    let mut stream = TcpStream::connect(dev.address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: h\r\n{header}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "event: changes"));
    dev.process.stop();
}

#[test]
fn the_printed_addresses_lead_to_this_machine_although_dev_listens_everywhere() {
    for everywhere in ["0.0.0.0:0", "[::]:0"] {
        let scratch = Scratch::create();
        let folder = scratch.join("data");
        let program = EARMARK.command(["dev", "--listen", everywhere, "--data", &text(&folder)]);
        let dev = Dev::start(program, folder);
        let headers = format!("host: {}\r\nauthorization: Bearer {}\r\n", dev.address, dev.token);
        let apps = request_with(dev.address, "GET", "/admin/v1/apps", &headers, "").unwrap();
        assert_eq!(apps.status, 200, "{apps:?}");
        dev.client().must_mark("user", "friend");
        dev.process.stop();
    }
}

#[test]
fn marks_and_key_survive_a_restart() {
    let scratch = Scratch::create();
    let first = EARMARK.start_dev(&scratch);
    let (client, key) = (first.client(), first.secret_key());
    client.must_mark("user", "friend");
    let marks = client.marks("user");
    assert!(marks.contains("friend"), "{marks}");
    first.process.stop();

    let second = EARMARK.start_dev(&scratch);
    assert_eq!(second.secret_key(), key);
    assert_eq!(second.client().marks("user"), marks);
    let old_user_sig = Client { address: second.address, ..client };
    assert_eq!(old_user_sig.marks("user"), marks, "the first UserSig is still valid");
    second.process.stop();
}

#[test]
fn ctrl_c_and_sigterm_stop_both_processes() {
    let scratch = Scratch::create();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let dev = EARMARK.start_dev(&scratch);
        dev.process.send(signal);
        let exit = dev.process.wait();
        assert_eq!(exit.code, Some(0), "{signal}: {exit:?}");
        assert_stopped(&scratch);
    }
}

#[test]
fn a_signal_during_the_start_leaves_nothing_behind() {
    let scratch = Scratch::create();
    let process = EARMARK.dev(&scratch.join("data")).env("EARMARK_LOG", "debug").start();
    // PostgreSQL runs, and the migrations have not begun.
    process.stderr.line("started");
    process.send(Signal::SIGTERM);
    let exit = process.wait();
    assert_eq!((exit.code, exit.signal), (Some(0), None), "{exit:?}");
    assert_stopped(&scratch);
}

#[test]
fn a_second_dev_in_the_same_folder_fails_and_names_the_folder() {
    let scratch = Scratch::create();
    let first = EARMARK.start_dev(&scratch);
    let second = EARMARK.dev(&scratch.join("data")).run();
    second.expect_failure(&[&text(&scratch.join("data")), "use"]);
    first.client().must_mark("user", "friend");
    first.process.stop();
}

#[test]
fn dev_names_a_port_in_use_and_leaves_no_postgres_running() {
    let scratch = Scratch::create();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = text(&scratch.join("data"));
    let exit = EARMARK.command(["dev", "--listen", &address, "--data", &data]).run();
    exit.expect_failure(&[&format!("cannot listen on {address}"), "--listen", "in use"]);
    assert!(!exit.stderr.contains("None"), "a debug output: {}", exit.stderr);
    assert_stopped(&scratch);
}

#[test]
fn dev_names_a_folder_without_postgres_binaries() {
    let scratch = Scratch::create();
    let nowhere = text(&scratch.join("nowhere"));
    let by_flag = EARMARK.dev(&scratch.join("data")).args(["--pg-bin", &nowhere]).run();
    by_flag.expect_failure(&["--pg-bin", "EARMARK_PG_BIN", &nowhere]);
    let by_variable = EARMARK.dev(&scratch.join("data")).env("EARMARK_PG_BIN", &nowhere).run();
    by_variable.expect_failure(&["--pg-bin", "EARMARK_PG_BIN", &nowhere]);
}

#[test]
fn dev_refuses_a_folder_that_other_users_could_have_made_or_can_write() {
    let scratch = Scratch::create();
    let (data, target) = (scratch.join("data"), scratch.join("target"));
    DirBuilder::new().mode(0o700).create(&target).unwrap();
    symlink(&target, &data).unwrap();
    EARMARK.dev(&data).run().expect_failure(&[&text(&data), "symbolic link"]);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);

    fs::set_permissions(&target, Permissions::from_mode(0o770)).unwrap();
    EARMARK.dev(&target).run().expect_failure(&[&text(&target), "mode 770", "chmod 700"]);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}

#[test]
fn only_the_user_can_read_the_files_of_dev() {
    let scratch = Scratch::create();
    let data = scratch.join("data");
    EARMARK.start_dev(&scratch).process.stop();
    fs::set_permissions(data.join("secret-key"), Permissions::from_mode(0o644)).unwrap();
    EARMARK.start_dev(&scratch).process.stop();

    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    // Under root, PostgreSQL runs as another user, who must be able to enter the folder.
    let of_folder = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
    assert_eq!(mode(&data), of_folder);
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn the_secret_key_in_the_data_folder_signs() {
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    let key = scratch.join("data/secret-key");
    let signed = EARMARK.command(["sig", "1400000001"]).env("EARMARK_SECRET_KEY_FILE", key).run();
    let sig = signed.expect_success();
    let path = format!(
        "/v4/recentcontact/mark_contact?sdkappid=1400000001&identifier=administrator&usersig={}",
        sig.trim()
    );
    let answer = request(dev.address, "POST", &path, &mark_body("user", "friend")).unwrap();
    assert!(answer.is_marked(), "{answer:?}");
    dev.process.stop();
}

#[test]
fn a_closed_terminal_stops_it_in_order() {
    // given
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    // when
    dev.process.send(Signal::SIGHUP);
    // then
    assert_eq!(dev.process.wait().code, Some(0));
    assert_stopped(&scratch);
}
