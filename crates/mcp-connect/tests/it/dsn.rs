//! The text forms of a target.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mcp_connect::{ChannelBinding, DsnError, Host, HostAddress, PassFile, RootCertificates};
use mcp_connect::{SslMode, Target, TargetSessionAttrs, masked};
use proptest::prelude::*;

fn tcp(name: &str, port: u16) -> Host {
    Host { address: HostAddress::Tcp(name.into()), port }
}

fn unix(dir: &str, port: u16) -> Host {
    Host { address: HostAddress::Unix(dir.into()), port }
}

fn password(target: &Target) -> Option<&str> {
    target.password.as_ref().map(mcp_connect::Secret::expose)
}

#[test]
fn a_url_and_pairs_say_the_same() {
    let url = "postgres://us%65r:p%40%2Fss%20w@a.example:5433,[::1]:5434/d%20b?sslmode=verify-full\
               &sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/c.key&target_session_attrs=read-write\
               &connect_timeout=3&application_name=app&channel_binding=require&options=-c%20a%3Db";
    let pairs = "user=user password='p@/ss w' host=a.example,::1 port = 5433,5434 dbname='d b' \
                 sslmode=verify-full sslrootcert=/ca.pem sslcert=/c.pem sslkey=/c.key \
                 target_session_attrs=read-write connect_timeout=3 application_name=app \
                 channel_binding=require options='-c a=b'";
    let target = Target::parse(url).unwrap();
    assert_eq!(target, Target::parse(pairs).unwrap());
    assert_eq!(target.hosts, [tcp("a.example", 5433), tcp("::1", 5434)]);
    assert_eq!((target.user.as_str(), target.database.as_str()), ("user", "d b"));
    assert_eq!(password(&target), Some("p@/ss w"));
    assert_eq!(target.sslmode, SslMode::VerifyFull);
    assert_eq!(target.sslrootcert, Some(RootCertificates::File("/ca.pem".into())));
    assert_eq!(target.sslkey, Some(PathBuf::from("/c.key")));
    assert_eq!(target.target_session_attrs, TargetSessionAttrs::ReadWrite);
    assert_eq!(target.connect_timeout, Duration::from_secs(3));
    assert_eq!(target.channel_binding, ChannelBinding::Require);
    assert_eq!(target.options.as_deref(), Some("-c a=b"));
}

#[test]
fn hosts_are_names_addresses_or_directories() {
    for (dsn, hosts) in [
        ("postgresql://u@h", vec![tcp("h", 5432)]),
        ("postgresql://u@", vec![tcp("localhost", 5432)]),
        ("postgresql://u@:7", vec![tcp("localhost", 7)]),
        ("postgresql://u@a,b:7,c/d", vec![tcp("a", 5432), tcp("b", 7), tcp("c", 5432)]),
        ("postgresql://u@[2001:db8::1]", vec![tcp("2001:db8::1", 5432)]),
        ("postgresql://u@%2Fvar%2Frun:7/d", vec![unix("/var/run", 7)]),
        ("postgresql://u@/d?host=/var/run&port=7", vec![unix("/var/run", 7)]),
        ("postgresql://h/d?user=u", vec![tcp("h", 5432)]),
        ("user=u host=a,/run port=7", vec![tcp("a", 7), unix("/run", 7)]),
        ("user=u", vec![tcp("localhost", 5432)]),
    ] {
        assert_eq!(Target::parse(dsn).unwrap().hosts, hosts, "{dsn}");
    }
}

#[test]
fn pairs_are_quoted_as_in_libpq() {
    let target = Target::parse(r"user = 'it\'s me'  password=a\ b\\ dbname=''").unwrap();
    assert_eq!(target.user, "it's me");
    assert_eq!(password(&target), Some(r"a b\"));
    assert_eq!(target.database, "it's me", "an empty value counts as unset");
}

#[test]
fn an_unknown_parameter_is_refused_by_name() {
    for dsn in ["postgresql://u@h/d?sslmod=require", "user=u sslmod=require"] {
        let refused = Target::parse(dsn).unwrap_err();
        assert_eq!(refused, DsnError::UnknownParameter { name: "sslmod".into() });
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for dsn in [
        "",
        "postgresql://",
        "host=h",
        "user=u port=0",
        "user=u port=65536",
        "user=u host=a,b,c port=1,2",
        "user=u sslmode=allow",
        "user=u sslmode=Require",
        "user=u sslmode=verify-ca",
        "user=u sslmode=require sslrootcert=system",
        "user=u sslcert=/c.pem",
        "user=u sslkey=/c.key",
        "user=u connect_timeout=0",
        "user=u connect_timeout=-1",
        "user=u target_session_attrs=writable",
        "user=u host='a b'",
        "user='u",
        "user",
        "postgresql://u%00@h",
        "postgresql://u%2@h",
        "postgresql://u%ff@h",
        "postgresql://u@[::1",
        "postgresql://u@[::1]x",
        "postgresql://u@h/d?sslmode",
    ] {
        assert!(Target::parse(dsn).is_err(), "{dsn}");
    }
    let hint = Target::parse("user=u sslmode=allow").unwrap_err().to_string();
    assert!(hint.contains("use prefer or require"), "{hint}");
}

#[test]
fn verify_full_without_a_file_trusts_the_authorities_of_the_system() {
    let target = Target::parse("user=u sslmode=verify-full").unwrap();
    assert_eq!(target.sslrootcert, Some(RootCertificates::System));
}

#[test]
fn variables_fill_gaps_and_replace_nothing() {
    let pairs = [
        ("PGHOST", "env.example"),
        ("PGPORT", "7"),
        ("PGDATABASE", "env_db"),
        ("PGUSER", "env_user"),
        ("PGPASSWORD", "env_pass"),
        ("PGSSLMODE", "require"),
        ("PGPASSFILE", "/pass"),
        ("PGSSLROOTCERT", ""),
        ("PGTZ", "UTC"),
        ("HOME", "/root"),
    ];
    let variables: BTreeMap<_, _> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let target = Target::from_environment(&variables).unwrap();
    assert_eq!(target.hosts, [tcp("env.example", 7)]);
    assert_eq!((target.user.as_str(), target.database.as_str()), ("env_user", "env_db"));
    assert_eq!((password(&target), target.sslmode), (Some("env_pass"), SslMode::Require));
    assert_eq!(target.passfile, Some(PathBuf::from("/pass")));

    let dsn = "postgresql://me:mine@here/d";
    let target = Target::builder().environment(&variables).dsn(dsn).unwrap().build().unwrap();
    assert_eq!(target.hosts, [tcp("here", 7)]);
    assert_eq!((target.user.as_str(), password(&target)), ("me", Some("mine")));
    assert_eq!(target.sslmode, SslMode::Require);
}

#[test]
fn a_target_shows_itself_without_its_password() {
    let dsn = "postgresql://me%40x:hunter2@a,[::1]:7/d%20b?sslmode=require";
    let target = Target::parse(dsn).unwrap();
    let shown = target.to_string();
    assert_eq!(shown, "postgresql://me%40x:***@a:5432,[::1]:7/d%20b?sslmode=require");
    assert!(!format!("{target:?}").contains("hunter2"));
    let socket = Target::parse("user=u host=/var/run").unwrap().to_string();
    assert_eq!(socket, "postgresql://u@%2Fvar%2Frun:5432/u");
    assert_eq!(Target::parse(&socket).unwrap().hosts, [unix("/var/run", 5432)]);
}

#[test]
fn a_password_is_masked_in_every_form_and_in_what_has_none() {
    for (dsn, shown) in [
        ("postgres://u:hunter2@h/d", "postgres://u:***@h/d"),
        ("postgresql://u:hunt@er2@h:1/d?a=b", "postgresql://u:***@h:1/d?a=b"),
        ("postgresql://u:hunt:er2@h", "postgresql://u:***@h"),
        ("postgresql://u@h/d?password=hunter2&port=1", "postgresql://u@h/d?password=***&port=1"),
        ("postgresql://h/d?sslpassword=hunter2", "postgresql://h/d?sslpassword=***"),
        ("postgresql://h/d?pass%77ord=hunter2", "postgresql://h/d?pass%77ord=***"),
        ("postgresql://u:hunt/er2@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:hunt?er2@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:hunt?password=er2@h/d?password=x", "postgresql://u:***@h/d?password=***"),
        ("postgresql://h:7/d", "postgresql://h:7/d"),
        ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
        ("password = 'hun\\'t er2' user=u", "password = *** user=u"),
        ("host=h PASSWORD=hunter2", "host=h PASSWORD=***"),
        ("host=h password='hunter2", "host=h***"),
        ("password=hun ter=2 user=u", "password=******"),
        ("password=hun ter2", "password=******"),
        ("postgresql://h/d?password=hun&ter=2&user=u", "postgresql://h/d?password=***&***&user=u"),
        ("hunter2", "***"),
        ("", ""),
    ] {
        assert_eq!(masked(dsn), shown, "{dsn}");
    }
}

#[test]
fn an_error_never_shows_a_part_of_a_password() {
    for dsn in [
        "postgresql://u:hunter2/x@h/d",
        "postgresql://u:hunter2?x@h/d",
        "postgresql://u:x?hunter2=x@h/d",
        "postgresql://u:hunter2%zz@h/d",
        "postgresql://u:x@hunter2 @h:hunter2/d",
        "user=u password='hunter2",
        "user=u port=hunter2",
        "user=u password=x hunter2=x",
        "postgresql://u@h/d?password=x&hunter2=x",
        "user=u sslmode=hunter2",
    ] {
        let refused = Target::parse(dsn).unwrap_err();
        let told = format!("{refused} {refused:?}");
        assert!(!told.contains("hunter2"), "{dsn}: {told}");
    }
}

#[test]
fn the_first_line_that_fits_gives_the_password() {
    let file = PassFile::parse(
        "# comment:*:*:*:no\n\
         a:1:d:u:first\n\
         short:line\n\
         a:*:*:u:with\\:colon\\\\ and:colons\n\
         \\*:*:*:*:literal\n\
         localhost:*:*:*:socket\n\
         *:*:*:*:any"
            .into(),
    );
    let find = |host: &Host, database, user| {
        file.find(host, database, user).map(|found| found.expose().to_owned()).unwrap()
    };
    assert_eq!(find(&tcp("a", 1), "d", "u"), "first");
    assert_eq!(find(&tcp("a", 2), "d", "u"), "with:colon\\ and:colons");
    assert_eq!(find(&tcp("b", 1), "d", "u"), "any");
    assert_eq!(find(&tcp("*", 1), "d", "u"), "literal");
    assert_eq!(find(&unix("/var/run", 1), "d", "u"), "socket");
}

proptest! {
    #[test]
    fn any_password_survives_either_form_and_shows_in_neither(secret in "[^\0]{4,20}") {
        let quoted = secret.replace('\\', "\\\\").replace('\'', "\\'");
        let pairs = format!("user=user host=host dbname=database password='{quoted}'");
        let encoded: Vec<_> = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let url = format!("postgresql://user:{}@host/database", encoded.concat());
        for dsn in [&pairs, &url] {
            let target = Target::parse(dsn).unwrap();
            prop_assert_eq!(password(&target), Some(secret.as_str()));
            prop_assert_eq!(target.to_string(), "postgresql://user:***@host:5432/database");
        }
        prop_assert_eq!(masked(&pairs), "user=user host=host dbname=database password=***");
        prop_assert_eq!(masked(&url), "postgresql://user:***@host/database");
    }

    #[test]
    fn any_text_is_parsed_or_refused_and_masked(text in "\\PC{0,60}") {
        for dsn in [text.clone(), format!("postgres://{text}"), format!("postgresql://{text}")] {
            let _ = Target::parse(&dsn);
            let _ = masked(&dsn);
        }
    }
}
