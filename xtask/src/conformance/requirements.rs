//! Which scenarios a revision requires of a server, from the list that comes with the suite.
//!
//! Not a YAML parser. It knows the form of these files: three lists at the left margin, of names
//! or of blocks that begin with `- scenario:`.

/// The scenarios for a server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Requirements {
    /// Those that decide.
    pub(super) scored: Vec<String>,
    /// Those that are run as well. Extensions of the protocol are not among them: a server has
    /// them or not.
    pub(super) unscored: Vec<String>,
}

#[derive(Default)]
struct Unscored<'a> {
    scenario: &'a str,
    leg: &'a str,
    reason: &'a str,
}

impl Requirements {
    /// `None` when no scenario is required, which no list says.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut section = "";
        let mut scored = Vec::new();
        let mut unscored: Vec<Unscored<'_>> = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
                section = name;
            } else if section == "server" {
                scored.extend(line.trim().strip_prefix("- ").map(str::to_owned));
            } else if section == "not_scored"
                && let Some((key, value)) = line.trim().split_once(": ")
            {
                if key == "- scenario" {
                    unscored.push(Unscored { scenario: value, ..Unscored::default() });
                } else if let Some(last) = unscored.last_mut() {
                    match key {
                        "leg" => last.leg = value,
                        "reason" => last.reason = value,
                        _ => {}
                    }
                }
            }
        }
        let counts = |it: &&Unscored<'_>| it.leg == "server" && it.reason != "extension";
        let unscored = unscored.iter().filter(counts).map(|it| it.scenario.to_owned()).collect();
        (!scored.is_empty()).then_some(Self { scored, unscored })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# What must pass.
server:
  - ping
  - tools-list

client:
  - initialize

not_scored:
  - scenario: auth/dpop
    leg: client
    reason: extension
  - scenario: tasks-lifecycle
    leg: server
    reason: extension
    note: >-
      run for visibility: pending
  - scenario: json-schema-2020-12
    leg: server
    reason: pending
";

    #[test]
    fn only_what_is_asked_of_a_server_is_required() {
        let required = Requirements::parse(LIST).unwrap();
        assert_eq!(required.scored, ["ping", "tools-list"]);
    }

    #[test]
    fn an_extension_is_not_counted() {
        let required = Requirements::parse(LIST).unwrap();
        assert_eq!(required.unscored, ["json-schema-2020-12"]);
    }

    #[test]
    fn a_list_that_requires_nothing_is_no_list() {
        assert_eq!(Requirements::parse("client:\n  - initialize\n"), None);
    }
}
