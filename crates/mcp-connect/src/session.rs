//! What a connection is before its first statement.

/// Pinned at connect. The settings go into the startup packet, so that they are the session's
/// defaults: a ROLLBACK or RESET comes back to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSettings {
    /// Shown in `pg_stat_activity`. Empty: the target's, if it has one.
    pub application_name: String,
    /// Names and values as for SET. A name has letters, digits, `_` and `.`.
    pub settings: Vec<(String, String)>,
    /// Run as this role, as by `SET ROLE`.
    pub role: Option<String>,
}

impl SessionSettings {
    /// The value of the startup parameter `options`: `-c name=value` for each setting, the
    /// target's own options in front. `Err`: the name that PostgreSQL could read as another.
    ///
    /// Values that are not ASCII stay out and are set after the connect, where the server
    /// converts them: the startup packet has no encoding, and what counts as white space in it
    /// depends on the server's locale.
    pub(crate) fn startup_options(&self, given: Option<&str>) -> Result<String, String> {
        let mut options = given.unwrap_or_default().to_owned();
        for (name, value) in &self.settings {
            if !is_setting_name(name) {
                return Err(name.clone());
            }
            if value.is_ascii() {
                options.push_str(if options.is_empty() { "-c " } else { " -c " });
                options.push_str(name);
                options.push('=');
                push_escaped(&mut options, value);
            }
        }
        Ok(options)
    }

    /// What is set by `set_config` once the connection stands, the role last.
    pub(crate) fn late_settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let settings = self.settings.iter().filter(|(_, value)| !value.is_ascii());
        let settings = settings.map(|(name, value)| (name.as_str(), value.as_str()));
        settings.chain(self.role.iter().map(|role| ("role", role.as_str())))
    }

    /// Does every transaction of this session begin read-only, wherever it runs?
    pub(crate) fn forces_read_only(&self) -> bool {
        let forced = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("default_transaction_read_only") && value != "off"
        };
        self.settings.iter().any(forced)
    }
}

fn is_setting_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
}

/// A backslash takes the meaning from the white space or backslash behind it (PostgreSQL docs,
/// libpq, parameter `options`).
fn push_escaped(options: &mut String, value: &str) {
    for c in value.chars() {
        if c.is_ascii_whitespace() || c == '\x0b' || c == '\\' {
            options.push('\\');
        }
        options.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::SessionSettings;

    fn session(name: &str, value: &str) -> SessionSettings {
        SessionSettings {
            settings: vec![(name.into(), value.into())],
            ..SessionSettings::default()
        }
    }

    #[test]
    fn a_value_cannot_smuggle_in_another_option() {
        let options = session("mcp.username", "x -c role=boss\\").startup_options(None).unwrap();
        assert_eq!(options, "-c mcp.username=x\\ -c\\ role=boss\\\\");
    }

    #[test]
    fn a_name_that_could_end_the_option_is_refused() {
        for hostile in ["a=b", "a b", "", "a\\", "ä", "a-b"] {
            assert!(session(hostile, "1").startup_options(None).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn a_value_that_is_not_ascii_is_set_after_the_connect() {
        let session = session("mcp.username", "Zoë");
        assert_eq!(session.startup_options(Some("-c a=1")).unwrap(), "-c a=1");
        assert_eq!(session.late_settings().collect::<Vec<_>>(), [("mcp.username", "Zoë")]);
    }
}
