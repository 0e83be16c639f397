//! Bodies that end with their credential.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use mcp_auth_http::{LeasedBody, LeasedBodyError};
use mcp_identity::{Clock as _, Principal, SystemClock};

use crate::support::House;

fn principal(house: &House) -> Arc<Principal> {
    house.auth.bearer(b"good", SystemClock.now()).unwrap()
}

#[tokio::test]
async fn a_body_flows_while_its_credential_holds() {
    let house = House::with(&["good"]).await;
    let body = LeasedBody::new(Full::new(Bytes::from("all of it")), &principal(&house));
    assert_eq!(body.size_hint().exact(), Some(9));
    assert_eq!(body.collect().await.unwrap().to_bytes(), "all of it");
}

#[tokio::test]
async fn a_stream_breaks_off_with_an_error_when_its_credential_ends() {
    let house = House::with(&["good"]).await;
    let mut body = LeasedBody::new(FirstThenSilence(true), &principal(&house));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    let reader = tokio::spawn(async move {
        let frame = body.frame().await;
        (frame, body.frame().await.is_none(), body.is_end_stream())
    });
    house.revoke("good").await;
    let (frame, is_over, says_so) = reader.await.unwrap();
    assert_eq!(frame.unwrap().unwrap_err(), LeasedBodyError::Ended);
    assert!(is_over && says_so);
}

#[tokio::test]
async fn a_body_of_an_ended_credential_gives_nothing() {
    let house = House::with(&["good"]).await;
    let principal = principal(&house);
    house.revoke("good").await;
    let body = LeasedBody::new(Full::new(Bytes::from("too late")), &principal);
    assert_eq!(body.collect().await.unwrap_err(), LeasedBodyError::Ended);
}

/// One frame, and then a stream that stays open.
struct FirstThenSilence(bool);

impl Body for FirstThenSilence {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !std::mem::take(&mut self.0) {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"first")))))
    }
}
