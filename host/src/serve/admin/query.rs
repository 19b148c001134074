//! The query of a request.

use std::error::Error as _;

use axum::extract::{FromRequestParts, Query as AxumQuery};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use waystation_core::limits;

use crate::serve::problem::{Kind, Rejection};

/// The query, read into `T`. What does not fit is a problem that names the key.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match AxumQuery::try_from_uri(&parts.uri) {
            Ok(AxumQuery(value)) => Ok(Self(value)),
            Err(rejection) => {
                let cause = rejection.source().map(ToString::to_string);
                let cause = cause.unwrap_or_else(|| rejection.body_text());
                Err(Rejection::new(Kind::Query, cause))
            }
        }
    }
}

/// How many rows an answer holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
pub struct Limit(pub usize);

impl Default for Limit {
    fn default() -> Self {
        Self(limits::PAGE_ROWS)
    }
}

impl TryFrom<usize> for Limit {
    type Error = String;

    fn try_from(limit: usize) -> Result<Self, String> {
        let max = limits::PAGE_ROWS_MAX;
        if (1..=max).contains(&limit) {
            Ok(Self(limit))
        } else {
            Err(format!("{limit} is not between 1 and {max}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use waystation_core::HandlerName;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        handler: Option<HandlerName>,
        #[serde(default)]
        limit: Limit,
    }

    async fn read(query: &str) -> Result<Example, String> {
        let request = Request::get(format!("/x?{query}")).body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        match Query::from_request_parts(&mut parts, &()).await {
            Ok(Query(example)) => Ok(example),
            Err(rejection) => {
                let response = rejection.into_response();
                assert_eq!(response.status(), StatusCode::BAD_REQUEST);
                let body = axum::body::to_bytes(response.into_body(), 10_000)
                    .await
                    .unwrap();
                let problem: crate::api::Problem = serde_json::from_slice(&body).unwrap();
                Err(problem.detail)
            }
        }
    }

    #[tokio::test]
    async fn the_limit_has_a_default() {
        let example = read("handler=shipping").await.unwrap();
        assert_eq!(example.handler.unwrap().as_str(), "shipping");
        assert_eq!(example.limit, Limit(limits::PAGE_ROWS));
        assert_eq!(read("limit=1000").await.unwrap().limit, Limit(1000));
    }

    #[tokio::test]
    async fn what_does_not_fit_is_named() {
        for (query, expected) in [
            (
                "limits=1",
                "unknown field `limits`, expected `handler` or `limit`",
            ),
            ("limit=0", "limit: 0 is not between 1 and 1000"),
            ("limit=1001", "limit: 1001 is not between 1 and 1000"),
            ("limit=ten", "limit: invalid digit found in string"),
            ("limit=1&limit=2", "duplicate field `limit`"),
            (
                "handler=a/b",
                "handler: `a/b` cannot be the name of a handler",
            ),
        ] {
            let detail = read(query).await.unwrap_err();
            assert!(detail.contains(expected), "{query}: {detail}");
        }
    }
}
