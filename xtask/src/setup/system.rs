//! What comes from the system's package manager.

use std::path::Path;
use std::process::Command;

use super::Extent;
use crate::shell::{self, Failure, command, environment, find_program, say};

/// Something that has to be there before anything runs.
struct Need {
    /// What it is, for the reader.
    what: &'static str,
    /// Debian's packages that bring it.
    packages: &'static [&'static str],
    /// Homebrew's formula; `None` where macOS brings it, or has no such thing and needs none.
    formula: Option<&'static str>,
    extent: Extent,
    present: fn() -> bool,
}

const NEEDS: [Need; 11] = [
    Need {
        what: "PostgreSQL's server",
        packages: &["postgresql"],
        formula: Some("postgresql@17"),
        extent: Extent::Running,
        present: postgres,
    },
    Need {
        // PostgreSQL refuses to run as root, and must not outlive the server that started it.
        what: "setpriv",
        packages: &["util-linux"],
        formula: None,
        extent: Extent::Running,
        present: || find_program("setpriv").is_some(),
    },
    Need {
        what: "curl",
        packages: &["curl"],
        formula: None,
        extent: Extent::Testing,
        present: || find_program("curl").is_some(),
    },
    Need {
        // A terminal for the prompts that refuse to ask elsewhere.
        what: "script",
        packages: &["bsdutils"],
        formula: None,
        extent: Extent::Testing,
        present: || find_program("script").is_some(),
    },
    Need {
        // Shows which certificate is served.
        what: "openssl",
        packages: &["openssl"],
        formula: Some("openssl"),
        extent: Extent::Testing,
        present: || find_program("openssl").is_some(),
    },
    Need {
        what: "pgrep",
        packages: &["procps"],
        formula: None,
        extent: Extent::Testing,
        present: || find_program("pgrep").is_some(),
    },
    Need {
        // Makes system calls fail for `cargo xtask faults`.
        what: "strace",
        packages: &["strace"],
        formula: None,
        extent: Extent::Testing,
        present: || find_program("strace").is_some(),
    },
    Need {
        // The load of `cargo xtask bench`.
        what: "wrk",
        packages: &["wrk"],
        formula: Some("wrk"),
        extent: Extent::Testing,
        present: || find_program("wrk").is_some(),
    },
    Need {
        // Stands before several servers.
        what: "HAProxy",
        packages: &["haproxy"],
        formula: Some("haproxy"),
        extent: Extent::Testing,
        present: haproxy,
    },
    Need {
        what: "Python with venv",
        packages: &["python3", "python3-venv"],
        formula: Some("python"),
        extent: Extent::Testing,
        present: || shell::succeeds(&mut command("python3", &["-c", "import ensurepip, venv"])),
    },
    Need {
        what: "Node.js with npm",
        packages: &["nodejs", "npm"],
        formula: Some("node"),
        extent: Extent::Testing,
        present: || find_program("node").is_some() && find_program("npm").is_some(),
    },
];

fn postgres() -> bool {
    let bin_dir = environment("PG_BINDIR").map(Into::into);
    mcp_testdb::Locate { bin_dir, path: environment("PATH") }.find().is_ok()
}

/// Debian's place is not on the path of everybody.
fn haproxy() -> bool {
    find_program("haproxy").is_some() || Path::new("/usr/sbin/haproxy").exists()
}

/// Installs what is missing, or says how.
pub(super) fn install(extent: Extent) -> Result<(), Failure> {
    let missing = missing(extent, cfg!(target_os = "linux"));
    if missing.is_empty() {
        return Ok(());
    }
    // Its word is final: nothing that could be installed would be looked at.
    if environment("PG_BINDIR").is_some() && !postgres() {
        return Err(Failure::new("PG_BINDIR names no folder with initdb and postgres")
            .hint("correct it, or unset it"));
    }
    let names: Vec<&str> = missing.iter().map(|need| need.what).collect();
    let (names, line) = (names.join(", "), by_hand(&missing));
    let refused = || Failure::new(format!("missing: {names}")).hint(format!("run: {line}"));
    if find_program("apt-get").is_none() {
        return Err(refused());
    }
    let mut install = as_root(&install_script(&packages(&missing))).ok_or_else(refused)?;
    say(format!("setup: installing {names}"));
    shell::run(&mut install).map_err(|_| refused())?;
    match self::missing(extent, true).first() {
        None => Ok(()),
        Some(need) => Err(Failure::new(format!("{} is still missing", need.what))
            .hint(format!("its packages are installed: {}", need.packages.join(" ")))),
    }
}

/// `formula: None` on another system than Linux means that nothing has to be there.
fn missing(extent: Extent, linux: bool) -> Vec<&'static Need> {
    let wanted = |need: &&Need| need.extent == Extent::Running || extent == Extent::Testing;
    let has_one = |need: &&Need| linux || need.formula.is_some();
    NEEDS.iter().filter(wanted).filter(has_one).filter(|need| !(need.present)()).collect()
}

fn packages(missing: &[&Need]) -> Vec<&'static str> {
    missing.iter().flat_map(|need| need.packages).copied().collect()
}

/// The one line for whoever may not install, or has another package manager.
fn by_hand(missing: &[&Need]) -> String {
    if cfg!(target_os = "macos") {
        let formulas: Vec<&str> = missing.iter().filter_map(|need| need.formula).collect();
        return format!("brew install {}", formulas.join(" "));
    }
    format!("sudo apt-get install --yes {}", packages(missing).join(" "))
}

/// The script as a command of root; `None` for whoever is not root and would be asked to prove it.
fn as_root(script: &str) -> Option<Command> {
    let user = command("id", &["-u"]).output().ok()?;
    if user.stdout.trim_ascii() == b"0" {
        return Some(command("sh", &["-c", script]));
    }
    let asks_nothing = shell::succeeds(&mut command("sudo", &["--non-interactive", "true"]));
    asks_nothing.then(|| command("sudo", &["--non-interactive", "sh", "-c", script]))
}

/// Debian's PostgreSQL package makes and starts a cluster of its own, and HAProxy's starts a
/// service; two files, there for the time of the installation only, ask them not to.
fn install_script(packages: &[&str]) -> String {
    let packages = packages.join(" ");
    format!(
        "set -e
        export DEBIAN_FRONTEND=noninteractive
        drop_in=/etc/postgresql-common/createcluster.d/mcp-server-setup.conf
        mkdir -p \"${{drop_in%/*}}\"
        echo 'create_main_cluster = false' > \"$drop_in\"
        made=\"$drop_in\"
        trap 'rm -f $made' EXIT
        policy=/usr/sbin/policy-rc.d
        if [ ! -e \"$policy\" ]; then
            made=\"$made $policy\"
            printf '#!/bin/sh\\nexit 101\\n' > \"$policy\"
            chmod 755 \"$policy\"
        fi
        apt-get update -qq
        apt-get install --yes --no-upgrade --no-install-recommends {packages}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_run_names_every_missing_package() {
        let needs: Vec<&Need> = NEEDS.iter().collect();
        let line = by_hand(&needs);
        assert!(line.ends_with(
            "curl bsdutils openssl procps strace wrk haproxy python3 python3-venv nodejs npm"
        ));
    }

    #[test]
    fn a_demo_does_not_need_what_tests_need() {
        let needs = NEEDS.iter().filter(|need| need.extent == Extent::Running);
        let packages: Vec<_> = needs.flat_map(|need| need.packages).collect();
        assert_eq!(packages, [&"postgresql", &"util-linux"]);
    }

    #[test]
    fn the_script_is_one_that_a_shell_can_read() {
        let script = install_script(&["postgresql"]);
        assert!(shell::succeeds(&mut command("sh", &["-n", "-c", &script])));
    }
}
