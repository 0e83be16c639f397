//! The single-dash command lines of the sources, in today's form.

/// A verb of the sources, the noun and verb of today, and whether a value follows it.
const VERBS: [(&str, [&str; 2], bool); 10] = [
    ("add-token", ["tokens", "add"], false),
    ("list-tokens", ["tokens", "list"], false),
    ("remove-token", ["tokens", "remove"], true),
    ("add-user", ["users", "add"], false),
    ("list-users", ["users", "list"], false),
    ("update-user", ["users", "update"], false),
    ("enable-user", ["users", "enable"], false),
    ("disable-user", ["users", "disable"], false),
    ("unlock-user", ["users", "unlock"], false),
    ("delete-user", ["users", "delete"], false),
];

/// An option of the sources, each with a value, and what becomes of it.
const OPTIONS: [(&str, Becomes); 10] = [
    ("token-note", Becomes::Flag("--note")),
    ("token-expiry", Becomes::Flag("--expiry")),
    ("token-database", Becomes::Flag("--database")),
    ("username", Becomes::Positional),
    ("password", Becomes::Flag("--password")),
    ("user-note", Becomes::Flag("--note")),
    ("config", Becomes::Flag("--config")),
    ("token-file", Becomes::Flag("--token-file")),
    ("user-file", Becomes::Flag("--user-file")),
    ("store", Becomes::Flag("--store")),
];

#[derive(Clone, Copy)]
enum Becomes {
    /// A flag with the same value.
    Flag(&'static str),
    /// An argument of its own.
    Positional,
}

/// Today's form of a command line, given without the program's name. `None`: it is in today's
/// form already, or in none that is known.
pub(crate) fn rewrite(arguments: &[String]) -> Option<Vec<String>> {
    let mut line = Line::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        line.take(argument, &mut rest);
    }
    // A name that begins with a dash is a name all the same.
    let dashed = line.positional.iter().any(|argument| argument.starts_with('-'));
    let end = if dashed { vec!["--".to_owned()] } else { Vec::new() };
    line.changed.then(|| [line.command, line.flags, end, line.positional].concat())
}

/// A command line as it is put together.
#[derive(Default)]
struct Line {
    /// Noun and verb, once a verb of the sources was met.
    command: Vec<String>,
    flags: Vec<String>,
    positional: Vec<String>,
    /// A noun of today was met: what follows is today's, but for options with one dash.
    is_todays: bool,
    changed: bool,
}

impl Line {
    fn take<'a>(&mut self, argument: &'a str, rest: &mut impl Iterator<Item = &'a String>) {
        let Some((name, joined)) = named(argument) else {
            self.is_todays |= self.command.is_empty();
            self.flags.push(argument.to_owned());
            return;
        };
        let mut value = || joined.or_else(|| rest.next().map(String::as_str)).map(str::to_owned);
        let verb = VERBS.iter().find(|(verb, ..)| *verb == name);
        if let Some((_, command, takes_value)) = verb
            && self.command.is_empty()
            && !self.is_todays
        {
            self.command = command.map(str::to_owned).to_vec();
            self.positional.extend(takes_value.then(value).flatten());
            self.changed = true;
            return;
        }
        let Some((_, becomes)) = OPTIONS.iter().find(|(option, _)| *option == name) else {
            self.flags.push(argument.to_owned());
            return;
        };
        self.changed |= !argument.starts_with("--");
        match becomes {
            // Joined, a value is a value whatever it begins with.
            Becomes::Flag(flag) => self.flags.push(match value() {
                Some(value) => format!("{flag}={value}"),
                None => (*flag).to_owned(),
            }),
            Becomes::Positional => self.positional.extend(value()),
        }
    }
}

/// The name of `-name`, `--name` or `-name=value`, and the value that is joined to it.
fn named(argument: &str) -> Option<(&str, Option<&str>)> {
    let name = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'))?;
    Some(match name.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (name, None),
    })
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    fn rewritten(line: &str) -> Option<String> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        rewrite(&arguments).map(|arguments| arguments.join(" "))
    }

    #[test]
    fn every_form_of_the_sources_has_its_noun_and_verb() {
        for (theirs, ours) in [
            ("-add-token", "tokens add"),
            (
                "-add-token -token-note API -token-expiry 30d -token-database staging",
                "tokens add --note=API --expiry=30d --database=staging",
            ),
            ("-add-token -token-expiry=never", "tokens add --expiry=never"),
            ("-list-tokens", "tokens list"),
            ("-token-file t.yaml -list-tokens --json", "tokens list --token-file=t.yaml --json"),
            ("--token-file t.yaml -list-tokens", "tokens list --token-file=t.yaml"),
            ("-remove-token b3f805a4 -config c.yaml", "tokens remove --config=c.yaml b3f805a4"),
            ("-add-user -username alice -user-note Dev", "users add --note=Dev alice"),
            ("-add-user", "users add"),
            ("-list-users", "users list"),
            ("-user-file u.yaml -list-users", "users list --user-file=u.yaml"),
            ("-update-user -username alice", "users update alice"),
            ("-update-user -username=alice -password x", "users update --password=x alice"),
            ("-update-user -username alice -user-note -x", "users update --note=-x alice"),
            ("-update-user -username -x", "users update -- -x"),
            ("-enable-user -username charlie", "users enable charlie"),
            ("-unlock-user -username charlie", "users unlock charlie"),
            ("-delete-user -username charlie", "users delete charlie"),
            ("-disable-user -username charlie", "users disable charlie"),
            ("-token-file t.yaml tokens list", "--token-file=t.yaml tokens list"),
            ("tokens list -config c.yaml", "tokens list --config=c.yaml"),
        ] {
            assert_eq!(rewritten(theirs).as_deref(), Some(ours));
        }
    }

    #[test]
    fn todays_forms_stay_as_they_are() {
        for line in [
            "tokens list",
            "--config c.yaml tokens add --note x --database d",
            "tokens add --note -add-token",
            "--help",
            "",
        ] {
            assert_eq!(rewritten(line), None, "{line}");
        }
    }
}
