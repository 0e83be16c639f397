//! `wrk`, one thread, against one server: how many requests, how long each, and at what cost.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use support::Installation;

use crate::process::cpu;

/// Who is asked, and what.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// The process whose time is taken.
    pub(crate) pid: u32,
    /// A script of `wrk` with the request in it; see [`script`].
    pub(crate) script: String,
}

/// One measurement of one server.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) requests_per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Of the server process, per 1,000 requests.
    pub(crate) cpu: Duration,
}

/// Writes the script that posts this body with the installation's token, under a name of its own.
pub(crate) fn script(
    installation: &Installation,
    name: &str,
    body: &str,
) -> Result<String, Box<dyn Error>> {
    script_of(installation, name, installation.token(), body)
}

/// The same with another token.
pub(crate) fn script_of(
    installation: &Installation,
    name: &str,
    token: &str,
    body: &str,
) -> Result<String, Box<dyn Error>> {
    let path = installation.path().join(format!("{name}.lua"));
    fs::write(
        &path,
        format!(
            "wrk.method = \"POST\"\nwrk.body = [==[{body}]==]\n\
             wrk.headers[\"Content-Type\"] = \"application/json\"\n\
             wrk.headers[\"Authorization\"] = \"Bearer {token}\"\n"
        ),
    )?;
    Ok(path.to_string_lossy().into_owned())
}

/// Makes a script ask another text each time: nobody gains by having met the last one. `what`
/// stands in the body, and means the same with a condition behind it that holds.
pub(crate) fn renew(script: &str, what: &str) -> std::io::Result<()> {
    let mut text = fs::read_to_string(script)?;
    let _ = write!(
        text,
        "local asked = 0\nrequest = function()\n  asked = asked + 1\n  local renewed = \"{what} AND \" \
         .. asked .. \" = \" .. asked\n  return wrk.format(nil, nil, nil, \
         (wrk.body:gsub(\"{what}\", renewed, 1)))\nend\n"
    );
    fs::write(script, text)
}

/// Asks for so long on so many connections. Fails where not every request is answered well.
pub(crate) fn measure(
    target: &Target,
    connections: u32,
    seconds: u32,
) -> Result<Figures, Box<dyn Error>> {
    let before = cpu(target.pid)?;
    let output = Command::new("wrk")
        // Late is late, not lost: on a crowded machine an answer may take seconds.
        .args(["-t1", "--latency", "--timeout", "30s", "-s", &target.script])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .arg(&target.url)
        .output()?;
    let used = cpu(target.pid)?.saturating_sub(before);
    let text = String::from_utf8(output.stdout)?;
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("not every request was answered:\n{text}").into());
    }
    let value = |label: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(label));
        line.and_then(|line| line.split_whitespace().nth(1)).ok_or(format!("no {label}:\n{text}"))
    };
    let requests: f64 = text
        .lines()
        .find(|line| line.contains("requests in"))
        .and_then(|line| line.split_whitespace().next())
        .and_then(|count| count.parse().ok())
        .ok_or("no count of requests")?;
    Ok(Figures {
        requests_per_second: value("Requests/sec:")?.parse()?,
        p50: latency(value("50%")?).ok_or("no p50")?,
        p99: latency(value("99%")?).ok_or("no p99")?,
        cpu: used.div_f64(requests / 1000.0),
    })
}

/// `wrk` writes `812.00us`, `1.24ms` or `1.02s`.
fn latency(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..split].parse().ok()?;
    let seconds = match &text[split..] {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        _ => return None,
    };
    Some(Duration::from_secs_f64(seconds))
}
