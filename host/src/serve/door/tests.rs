use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tower::ServiceExt as _;

use super::*;

const TOKEN: &str = "correct-horse-battery";

/// A listener on every interface that asks for a token.
fn router() -> Router {
    let door = Door {
        names: Some(Names {
            bound: [0, 0, 0, 0].into(),
            hosts: Vec::new(),
        }),
        token: Some(Token::new(TOKEN).unwrap()),
        open: &["/open"],
    };
    Router::new()
        .route("/open", get(|| async {}))
        .route("/closed", post(|| async {}))
        .layer(middleware::from_fn_with_state(Arc::new(door), check))
}

async fn send(path: &str, headers: &[(&str, &str)]) -> Response {
    let method = if path == "/open" { "GET" } else { "POST" };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    router().oneshot(request).await.unwrap()
}

async fn expect(path: &str, headers: &[(&str, &str)], expected: StatusCode) {
    let status = send(path, headers).await.status();
    assert_eq!(status, expected, "{path} {headers:?}");
}

#[tokio::test]
async fn only_the_token_opens_the_door() {
    let host = ("host", "10.0.0.1");
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{scheme} {TOKEN}");
        expect(
            "/closed",
            &[host, ("authorization", &value)],
            StatusCode::OK,
        )
        .await;
    }
    let good = format!("Bearer {TOKEN}");
    let twice = [host, ("authorization", &good), ("authorization", &good)];
    expect("/closed", &twice, StatusCode::UNAUTHORIZED).await;
    let longer = format!("Bearer {TOKEN}x");
    let padded = format!("Bearer  {TOKEN}");
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong-horse-battery",
        &longer,
        &padded,
        TOKEN,
        "Basic Y29ycmVjdA==",
    ] {
        let headers = [host, ("authorization", value)];
        expect("/closed", &headers, StatusCode::UNAUTHORIZED).await;
    }
    expect("/closed", &[host], StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn a_missing_token_is_asked_for() {
    let response = send("/closed", &[("host", "localhost")]).await;
    let headers = response.headers();
    assert_eq!(headers["www-authenticate"], "Bearer realm=\"waystation\"");
    assert_eq!(headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn an_open_path_needs_no_token_but_the_right_host() {
    expect("/open", &[("host", "localhost")], StatusCode::OK).await;
    let evil = [("host", "evil.example")];
    expect("/open", &evil, StatusCode::MISDIRECTED_REQUEST).await;
}

/// A page whose name points to this machine learns nothing, not even that a
/// token is asked for.
#[tokio::test]
async fn the_host_is_checked_before_the_token_and_the_token_before_the_origin() {
    let good = format!("Bearer {TOKEN}");
    let evil = ("origin", "http://evil.example");
    let everything_wrong = [("host", "evil.example"), evil];
    expect(
        "/closed",
        &everything_wrong,
        StatusCode::MISDIRECTED_REQUEST,
    )
    .await;
    let host = ("host", "localhost");
    expect("/closed", &[host, evil], StatusCode::UNAUTHORIZED).await;
    let with_token = [host, evil, ("authorization", &good)];
    expect("/closed", &with_token, StatusCode::FORBIDDEN).await;
}
