//! Where a request goes, and whether it may.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use http::uri::Scheme;
use wasmtime_wasi_http::Error;
use waystation_core::{Authority, Grants, limits};

use super::address::is_public;
use super::lookup::Lookup;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// The host and the port.
    pub(super) authority: Authority,
    /// Whether over TLS.
    pub(super) is_secure: bool,
}

impl Destination {
    /// What the URI says, if it names a host and nothing that could be taken for
    /// another one.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let is_secure = uri.scheme() == Some(&Scheme::HTTPS);
        let authority = uri.authority()?;
        // Nothing may stand before the host, and a port that is none is no default.
        let rest = authority.as_str().strip_prefix(authority.host())?;
        let port = match rest.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
            None => default_port(is_secure),
        };
        Some(Self {
            authority: Authority::new(authority.host(), port)?,
            is_secure,
        })
    }

    /// The value of the `Host` header field (RFC 9110, section 7.2).
    pub(super) fn host(&self) -> String {
        let whole = self.authority.to_string();
        let default = format!(":{}", default_port(self.is_secure));
        match whole.strip_suffix(&default) {
            Some(host) => host.to_owned(),
            None => whole,
        }
    }

    /// The addresses to connect to: those of the name, looked up this once, that
    /// are public or lie in a granted network. An address that was granted
    /// literally is its own answer.
    pub(super) async fn addresses(
        &self,
        grants: &Grants,
        lookup: &dyn Lookup,
    ) -> Result<Vec<SocketAddr>, Unreachable> {
        let port = self.authority.port();
        if let Some(address) = self.authority.address() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = lookup.lookup(self.authority.host()).await;
        let found = found.map_err(|error| Unreachable::Unknown(error.to_string()))?;
        let first = *found
            .first()
            .ok_or(Unreachable::Unknown("no address".into()))?;
        let may = |address: &IpAddr| {
            is_public(*address) || grants.networks.iter().any(|net| net.contains(*address))
        };
        let allowed: Vec<SocketAddr> = found
            .into_iter()
            .filter(may)
            .take(limits::OUTBOUND_ADDRESSES_MAX)
            .map(|address| SocketAddr::new(address, port))
            .collect();
        if allowed.is_empty() {
            return Err(Unreachable::Prohibited(first));
        }
        Ok(allowed)
    }
}

fn default_port(is_secure: bool) -> u16 {
    if is_secure { 443 } else { 80 }
}

/// Why there is no address to connect to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    /// The name has no address.
    Unknown(String),
    /// The name leads to an address like this one, which is not public.
    Prohibited(IpAddr),
}

impl From<Unreachable> for Error {
    fn from(unreachable: Unreachable) -> Self {
        match unreachable {
            Unreachable::Unknown(reason) => Self::DnsError {
                rcode: Some(reason),
                info_code: None,
            },
            Unreachable::Prohibited(_) => Self::DestinationIpProhibited,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use async_trait::async_trait;

    use super::*;

    #[test]
    fn a_uri_names_one_host_and_port() {
        let check = |uri: &str, expected: Option<(&str, &str)>| {
            let found = Destination::of(&uri.parse().unwrap());
            let found = found.map(|it| (it.authority.to_string(), it.host()));
            let expected = expected.map(|(a, h)| (a.to_owned(), h.to_owned()));
            assert_eq!(found, expected, "{uri}");
        };
        check("https://a.example/x", Some(("a.example:443", "a.example")));
        check("http://a.example/x", Some(("a.example:80", "a.example")));
        check(
            "http://A.Example.:8080/",
            Some(("a.example:8080", "a.example:8080")),
        );
        check(
            "https://a.example:80/",
            Some(("a.example:80", "a.example:80")),
        );
        check("http://127.0.0.1:80/", Some(("127.0.0.1:80", "127.0.0.1")));
        check("https://[0:0::1]:8443/", Some(("[::1]:8443", "[::1]:8443")));
        check("https://a.example:0/", None);
        check("https://a.example:70000/", None);
        check("https://a.example:/", None);
        check("https://a.example@b.example/", None);
        check("https://a.example:443@b.example/", None);
        check("/path", None);
    }

    struct Answers(Vec<IpAddr>);

    #[async_trait]
    impl Lookup for Answers {
        async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }

    async fn addresses(
        uri: &str,
        networks: &[&str],
        answers: &[&str],
    ) -> Result<String, Unreachable> {
        let grants = Grants {
            networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
            ..Grants::default()
        };
        let answers = Answers(answers.iter().map(|text| text.parse().unwrap()).collect());
        let destination = Destination::of(&uri.parse().unwrap()).unwrap();
        let found = destination.addresses(&grants, &answers).await?;
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        Ok(texts.join(" "))
    }

    #[tokio::test]
    async fn a_name_leads_to_public_addresses_and_to_those_of_granted_networks() {
        let check = async |networks: &[&str], answers: &[&str], expected: Result<&str, &str>| {
            let found = addresses("https://a.example/", networks, answers).await;
            let expected = expected
                .map(str::to_owned)
                .map_err(|address| Unreachable::Prohibited(address.parse().unwrap()));
            assert_eq!(found, expected, "{answers:?}");
        };
        check(&[], &["1.1.1.1"], Ok("1.1.1.1:443")).await;
        check(&[], &["10.0.0.1", "1.1.1.1"], Ok("1.1.1.1:443")).await;
        check(&[], &["10.0.0.1"], Err("10.0.0.1")).await;
        check(&[], &["::1", "127.0.0.1"], Err("::1")).await;
        check(&["10.0.0.0/8"], &["10.0.0.1"], Ok("10.0.0.1:443")).await;
        check(&["10.0.0.0/8"], &["192.168.0.1"], Err("192.168.0.1")).await;
    }

    #[tokio::test]
    async fn an_address_is_not_looked_up() {
        let found = addresses("http://127.0.0.1:8080/", &[], &["1.1.1.1"]).await;
        assert_eq!(found.as_deref(), Ok("127.0.0.1:8080"));
    }

    #[tokio::test]
    async fn a_name_without_address_is_unknown() {
        let found = addresses("http://a.example/", &[], &[]).await;
        assert_eq!(found, Err(Unreachable::Unknown("no address".into())));
    }
}
