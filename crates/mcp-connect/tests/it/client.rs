//! A client of tokio-postgres, by the same way.

use mcp_connect::{ConnectError, SessionSettings, Target, TargetSessionAttrs, connect_client};
use tokio_postgres::AsyncMessage;

use crate::support::{tcp_server, tcp_target};

#[tokio::test]
async fn a_client_has_the_session_that_was_asked_for() {
    let server = tcp_server();
    let session = SessionSettings {
        application_name: "a client".to_owned(),
        settings: vec![("mcp.username".to_owned(), "Zoë".to_owned())],
        role: Some("pg_monitor".to_owned()),
    };
    let (client, driver) = connect_client(&tcp_target(&server), &session).await.unwrap();
    let driving = tokio::spawn(driver.run());
    let ask = "SELECT current_setting('application_name'), current_setting('mcp.username'), \
        current_user::text";
    let row = client.query_typed_one(ask, &[]).await.unwrap();
    let (name, user, role): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    assert_eq!((&*name, &*user, &*role), ("a client", "Zoë", "pg_monitor"));
    drop(client);
    driving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_driver_gives_what_the_server_says_by_itself() {
    let server = tcp_server();
    let target = tcp_target(&server);
    let (client, mut driver) = connect_client(&target, &SessionSettings::default()).await.unwrap();
    let asking = async move {
        client.execute_typed("LISTEN news", &[]).await.unwrap();
        client.execute_typed("NOTIFY news, 'of the day'", &[]).await.unwrap();
    };
    let hearing = async move {
        let heard = driver.next().await;
        // The answer to whoever told it may still be on its way.
        driver.run().await.unwrap();
        heard
    };
    let ((), heard) = tokio::join!(asking, hearing);
    let Some(Ok(AsyncMessage::Notification(news))) = heard else { panic!("{heard:?}") };
    assert_eq!((news.channel(), news.payload()), ("news", "of the day"));
}

#[tokio::test]
async fn a_client_is_made_only_of_the_kind_of_server_that_is_wanted() {
    let server = tcp_server();
    let target =
        Target { target_session_attrs: TargetSessionAttrs::Standby, ..tcp_target(&server) };
    let refused = connect_client(&target, &SessionSettings::default()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Unsuitable { .. }), "{refused}");
    let wrong = Target { password: None, ..tcp_target(&server) };
    let refused = connect_client(&wrong, &SessionSettings::default()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Authentication { .. }), "{refused}");
}
