//! For which host a request is meant.
//!
//! A page from anywhere can have its own name point to this machine and then
//! count as one origin with this API (DNS rebinding). Its requests still carry
//! that name.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

use crate::serve::problem::{Kind, Rejection};

/// The names of this host in the header Host of a request, with whatever port.
#[derive(Clone, Debug)]
pub struct Names {
    /// The address that the listener bound. Where that is the address of every
    /// interface, any address will do: a page's own name is none.
    pub bound: IpAddr,
    /// The names that the operator added.
    pub hosts: Vec<String>,
}

impl Names {
    /// Refuses what is meant for another host.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        if self.is_meant(headers) {
            return Ok(());
        }
        let addresses = match self.bound {
            bound if bound.is_unspecified() => "an IP address".to_owned(),
            bound => format!("a loopback address, {bound}"),
        };
        let detail = format!(
            "the header Host must name this machine: `localhost`, {addresses} or one of `hosts` in \
             waystation.toml",
        );
        Err(Rejection::new(Kind::Host, detail))
    }

    fn is_meant(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let Ok(authority) = Authority::try_from(host.as_bytes()) else {
            return false;
        };
        let name = authority.host();
        let added = self.hosts.iter().map(String::as_str);
        if added
            .chain(["localhost"])
            .any(|host| name.eq_ignore_ascii_case(host))
        {
            // What stands before an `@` is no part of the name.
            return !authority.as_str().contains('@');
        }
        let address = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(name);
        address
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip == self.bound || self.bound.is_unspecified())
    }
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
        let names = Names {
            bound: bound.parse().unwrap(),
            hosts: vec!["events.example".to_owned()],
        };
        assert_eq!(names.is_meant(&headers), expected, "{hosts:?} at {bound}");
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
    fn the_names_that_the_operator_added_are_meant() {
        check(&["events.example"], "127.0.0.1", true);
        check(&["Events.Example:443"], "0.0.0.0", true);
        check(&["admin.events.example"], "127.0.0.1", false);
        check(&["me@events.example"], "127.0.0.1", false);
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
