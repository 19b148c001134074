//! For which host a request is meant.
//!
//! A page from anywhere can have its own name point to this machine and then
//! count as one origin with this API (DNS rebinding). Its requests still carry
//! that name.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::serve::problem::{Kind, Rejection};

/// Lets a request through if it is meant for this host.
pub async fn check(
    State(address): State<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Rejection> {
    if is_meant(request.headers(), address.ip()) {
        Ok(next.run(request).await)
    } else {
        let detail = format!(
            "the header Host must name this machine: `localhost`, a loopback address or {}",
            address.ip()
        );
        Err(Rejection::new(Kind::Host, detail))
    }
}

/// Whether the one Host of a request, with whatever port, is `localhost`, a
/// loopback address or the address that was bound. Where that is the address of
/// every interface, any address will do: a page's own name is none.
fn is_meant(headers: &HeaderMap, bound: IpAddr) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else {
        return false;
    };
    let name = authority.host();
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let address = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(name);
    address
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.is_loopback() || ip == bound || bound.is_unspecified())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(hosts: &[&str], bound: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        assert_eq!(
            is_meant(&headers, bound.parse().unwrap()),
            expected,
            "{hosts:?} at {bound}"
        );
    }

    #[test]
    fn loopback_and_the_bound_address_are_meant() {
        for host in [
            "localhost",
            "LocalHost:8081",
            "127.0.0.1",
            "127.0.0.1:9",
            "127.1.2.3",
            "[::1]",
            "[::1]:8081",
        ] {
            check(&[host], "10.0.0.1", true);
        }
        check(&["10.0.0.1:8081"], "10.0.0.1", true);
        check(&["10.0.0.2"], "10.0.0.1", false);
        check(&["10.0.0.2"], "0.0.0.0", true);
        check(&["[fe80::1]:8081"], "::", true);
    }

    #[test]
    fn any_other_name_is_not() {
        for host in [
            "",
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "localhost@evil.example",
            "127.0.0.1.evil.example",
            "::1",
            "a b",
        ] {
            check(&[host], "127.0.0.1", false);
            check(&[host], "0.0.0.0", false);
        }
        check(&[], "127.0.0.1", false);
        check(&["localhost", "localhost"], "127.0.0.1", false);
    }
}
