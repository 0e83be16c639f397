//! Completions, manual pages and the reference page: the command line, described by itself.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;

use crate::cli::Cli;
use crate::output::{Fault, Output};

pub(crate) fn completions(shell: Shell, output: Output) -> Result<(), Fault> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mcp-admin", &mut script);
    text(script, "script", output)
}

/// The page of one command, which its words name; of all, without.
pub(crate) fn page(words: &[String], output: Output) -> Result<(), Fault> {
    let mut all = Cli::command();
    all.build();
    let mut command = &all;
    for word in words {
        let below = command.find_subcommand(word).filter(|below| !below.is_hide_set());
        command = below.ok_or_else(|| {
            Fault::refused("there is no such command").hint("the commands are in: mcp-admin --help")
        })?;
    }
    // `mcp-admin users add` is on the page mcp-admin-users-add.
    let name = command.get_bin_name().unwrap_or("mcp-admin").replace(' ', "-");
    let mut page = Vec::new();
    let man = Man::new(command.clone()).title(name.to_ascii_uppercase());
    man.render(&mut page).map_err(Fault::from_failure)?;
    text(page, "page", output)
}

/// Every command on one page, as `docs/cli.md` holds it.
pub(crate) fn markdown(output: Output) -> Result<(), Fault> {
    let mut all = Cli::command().term_width(100);
    all.build();
    let mut page = String::from(
        "<!-- Generated from the command line; `cargo xtask schema` writes it. -->\n\
         # mcp-admin\n\nWhat follows is what `--help` says. Every command also takes the options \
         of the first section.\n",
    );
    describe(&all, "mcp-admin", &mut page);
    output.show(&page, &json!({ "page": page }))
}

fn describe(command: &Command, name: &str, page: &mut String) {
    let help = command.clone().bin_name(name).render_help().to_string();
    let _ = write!(page, "\n## {name}\n\n```\n");
    for line in help.trim_end().lines() {
        let _ = writeln!(page, "{}", line.trim_end());
    }
    page.push_str("```\n");
    let shown = |below: &&Command| !below.is_hide_set() && below.get_name() != "help";
    for below in command.get_subcommands().filter(shown) {
        // What every command takes is said once.
        let own = |argument: Arg| {
            let global = argument.is_global_set();
            argument.hide(global)
        };
        describe(&below.clone().mut_args(own), &format!("{name} {}", below.get_name()), page);
    }
}

fn text(bytes: Vec<u8>, what: &str, output: Output) -> Result<(), Fault> {
    let text = String::from_utf8(bytes).map_err(Fault::from_failure)?;
    output.show(&text, &json!({ what: text }))
}
