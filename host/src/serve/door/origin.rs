//! From which page a request comes.
//!
//! A page that the operator's browser shows can send requests to this machine.
//! The browser says from where (Fetch Standard: the headers Origin and
//! Sec-Fetch-Site); a program says nothing.

use axum::http::{HeaderMap, HeaderValue, Method, header};

use crate::serve::problem::{Kind, Rejection};

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Refuses a change that a page from elsewhere asks for. What only reads is let
/// through: the page cannot see the answer.
pub fn check(method: &Method, headers: &HeaderMap) -> Result<(), Rejection> {
    if method.is_safe() || (is_own(headers) && is_same_site(headers)) {
        return Ok(());
    }
    let detail = "a page of another origin must not change anything here";
    Err(Rejection::new(Kind::Origin, detail))
}

/// Whether the Origin, if there is one, is the host that is asked.
fn is_own(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.as_bytes();
        // A proxy that ends TLS makes the scheme another one.
        let authority = origin
            .strip_prefix(b"http://")
            .or_else(|| origin.strip_prefix(b"https://"));
        authority.is_some() && authority == host
    })
}

fn is_same_site(headers: &HeaderMap) -> bool {
    headers
        .get_all(SEC_FETCH_SITE)
        .iter()
        // `none` is what a person asked for, not a page.
        .all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, more: &[(&'static str, &'static str)], expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:8081"));
        for (name, value) in more {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let found = super::check(method, &headers).is_ok();
        assert_eq!(found, expected, "{method} {more:?}");
    }

    #[test]
    fn a_program_and_the_own_page_may_change_things() {
        for headers in [
            &[][..],
            &[("origin", "http://localhost:8081")],
            &[("origin", "https://localhost:8081")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            for method in [Method::POST, Method::PUT, Method::DELETE] {
                check(&method, headers, true);
            }
        }
    }

    #[test]
    fn a_page_from_elsewhere_may_not() {
        for headers in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "http://localhost:3000")],
            &[("origin", "http://localhost")],
            &[("origin", "null")],
            &[("origin", "localhost:8081")],
            &[("origin", "")],
            &[
                ("origin", "http://localhost:8081"),
                ("origin", "http://evil.example"),
            ],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[
                ("origin", "http://localhost:8081"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                check(&method, headers, false);
            }
            check(&Method::GET, headers, true);
        }
    }
}
