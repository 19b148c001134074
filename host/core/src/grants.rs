//! What an operator lets a handler do beyond answering with drafts.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

/// What a handler was granted. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The hosts that it may call.
    pub http: Vec<Authority>,
    /// The private networks that the names of those hosts may lead to.
    pub networks: Vec<Network>,
    /// The namespaces of state that it may read and write.
    pub state: Vec<String>,
    /// Its configuration.
    pub config: BTreeMap<String, String>,
    /// Its secrets, by name.
    pub secrets: BTreeMap<String, Secret>,
}

/// A host and a port, as a URL has them (RFC 3986, section 3.2), without user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Authority {
    /// A name in lower case, or an IP address without brackets.
    host: String,
    port: u16,
}

/// A text that is no host with a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is no host; write a name or an address, with a port unless it is 443, such as \
     `api.example.com` or `10.0.0.5:8080`",
    .0.escape_debug()
)]
pub struct AuthorityError(String);

impl Authority {
    /// A host and a port, or nothing if the host cannot be one.
    pub fn new(host: &str, port: u16) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        if let Some(bare) = bare {
            let address: Ipv6Addr = bare.parse().ok()?;
            return Some(Self {
                host: address.to_string(),
                port,
            });
        }
        // A dot at the end says that the name is complete, which it is anyway.
        let host = host.strip_suffix('.').unwrap_or(&host);
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        (host.len() <= 253 && host.split('.').all(label)).then(|| Self {
            host: host.to_owned(),
            port,
        })
    }

    /// The name, in lower case, or the address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, if the host is given by one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    /// Reads `host` or `host:port`. Without a port it is 443.
    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (text, Some(443)),
        };
        port.filter(|port| *port != 0)
            .and_then(|port| Self::new(host, port))
            .ok_or_else(|| AuthorityError(text.to_owned()))
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A network: the addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no network; write it like `10.1.0.0/16` or `fd00::/8`", .0.escape_debug())]
pub struct NetworkError(String);

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                same_prefix(net.to_bits().into(), ip.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                same_prefix(net.to_bits(), ip.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(a: u128, b: u128, width: u32, prefix: u8) -> bool {
    let rest = width.saturating_sub(u32::from(prefix));
    // No network is as wide as 128 bits, so that the shift is always defined.
    a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            let width = if address.is_ipv4() { 32 } else { 128 };
            (prefix <= width).then_some(Self { address, prefix })
        };
        parse().ok_or_else(|| NetworkError(text.to_owned()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A secret. Its value shows in no log, error or debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value, for the handler that was granted it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_a_port() {
        let check = |text: &str, expected: Option<&str>| {
            let found = text.parse::<Authority>().ok().map(|a| a.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("api.example.com", Some("api.example.com:443"));
        check("API.Example.com.:8443", Some("api.example.com:8443"));
        check("127.0.0.1:80", Some("127.0.0.1:80"));
        check("[::1]:80", Some("[::1]:80"));
        check("[0:0::1]", Some("[::1]:443"));
        let bad = [
            "",
            ":80",
            "a b",
            "a/b",
            "a:0",
            "a:x",
            "u@h",
            "::1",
            "a..b",
            "*.example.com",
        ];
        for bad in bad {
            check(bad, None);
        }
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_alike() {
        let check = |network: &str, address: &str, expected: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                expected,
                "{address}"
            );
        };
        check("10.1.0.0/16", "10.1.255.3", true);
        check("10.1.0.0/16", "10.2.0.0", false);
        check("10.1.0.0/16", "::ffff:10.1.2.3", true);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "::1", false);
        check("fd00::/8", "fd12::1", true);
        check("::/0", "fe80::1", true);
        check("127.0.0.1/32", "127.0.0.2", false);
        for bad in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_does_not_show() {
        let grants = Grants {
            secrets: [("token".to_owned(), Secret::new("hunter2"))].into(),
            ..Grants::default()
        };
        assert!(!format!("{grants:?}").contains("hunter2"));
    }
}
