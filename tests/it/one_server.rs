//! One server on a folder of state: the second one is refused, whatever became of the one before.

use std::process::{Command, Output};

use support::{ServerProcess, binary, eventually};

use crate::admin_folder::Admin;
use crate::served_folder::{Kind, folder, log_in, opens, serve, token_of};

fn inhabited() -> Admin {
    let folder = folder();
    for kind in Kind::BOTH {
        folder.write(kind.file(), &kind.text(&["alice"]));
    }
    folder
}

/// Starts a server that is refused, and gives what is left of it.
fn refused(folder: &Admin, config: &str) -> Output {
    let config = folder.path(config);
    Command::new(binary("mcp-server")).arg("--config").arg(config).env_clear().output().unwrap()
}

#[test]
fn a_second_server_on_one_folder_of_state_is_refused_and_the_first_goes_on() {
    let folder = inhabited();
    let first = serve(&folder);
    let to = first.address();
    // With other credential files: it is the state that no two may keep.
    let config = folder.text("mcp-server.yaml").replace("users.yaml", "others.yaml");
    folder.write("second.yaml", &config);
    folder.write("others.yaml", &Kind::Users.text(&["bob"]));
    for config in ["mcp-server.yaml", "second.yaml"] {
        let second = refused(&folder, config);
        assert_eq!(second.status.code(), Some(1));
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        let sentence = format!("process {} is a server that keeps its state here\n", first.pid());
        assert!(said.contains(&sentence), "{said}");
        let hint = "\nhint: stop that one, or name another folder in state.directory\n";
        assert!(said.ends_with(hint), "{said}");
    }
    assert!(log_in(to, "alice").is_some());
}

#[test]
fn an_operators_tool_works_beside_the_server() {
    let folder = inhabited();
    let server = serve(&folder);
    let to = server.address();
    let session = log_in(to, "alice").unwrap();
    assert_eq!(folder.json(&["sessions", "list"])["total"], 1);
    assert!(folder.run(&["users", "disable", "alice"]).status.success());
    assert!(eventually(|| !opens(to, &session)));
}

#[test]
fn a_server_that_was_killed_or_stopped_leaves_its_folder_to_the_next() {
    let folder = inhabited();
    for signal in ["KILL", "TERM", "KILL"] {
        let mut server = serve(&folder);
        assert!(log_in(server.address(), "alice").is_some());
        server.signal(signal);
        server.wait();
    }
    assert!(log_in(serve(&folder).address(), "alice").is_some());
}

#[test]
fn where_there_are_only_tokens_no_folder_of_state_is_needed_and_none_is_held() {
    let folder = Admin::new();
    let token_file = "    token_file: tokens.yaml\n";
    for (config, state) in [("nowhere.yaml", "nowhere"), ("here.yaml", ".")] {
        let text = format!(
            "http:\n  enabled: true\n  address: \"127.0.0.1:0\"\n  auth:\n{token_file}\
             state:\n  directory: {state}\n"
        );
        folder.write(config, &text);
        folder.write("tokens.yaml", &Kind::Tokens.text(&["alice"]));
        let config = folder.path(config);
        let start = || ServerProcess::start(&["--config", &config.to_string_lossy()], &[]);
        for server in [start(), start()] {
            assert!(opens(server.address(), &token_of("alice")));
        }
    }
}
