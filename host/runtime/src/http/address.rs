//! Which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use waystation_core::Network;

/// The IPv4 networks that are not public: the IANA registry of special-purpose
/// addresses (RFC 6890), multicast, and a metadata service outside of them.
const SPECIAL_V4: [&str; 16] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    // Between a provider and its customers (RFC 6598).
    "100.64.0.0/10",
    "127.0.0.0/8",
    // Link-local, with the metadata services of most clouds.
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    // Documentation (RFC 5737), as 198.51.100.0/24 and 203.0.113.0/24.
    "192.0.2.0/24",
    // The relays of 6to4 (RFC 7526).
    "192.88.99.0/24",
    "192.168.0.0/16",
    // Benchmarking (RFC 2544).
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // The metadata service of Azure.
    "168.63.129.16/32",
];

/// All that is public in IPv6 lies in here (RFC 4291, section 2.4), so that
/// loopback, link-local, site-local, unique-local, multicast and the forms that
/// hold an IPv4 address need no mention.
const UNICAST_V6: &str = "2000::/3";

/// What is not public of it (RFC 6890).
const SPECIAL_V6: [&str; 4] = [
    // Protocol assignments, among them Teredo and benchmarking.
    "2001::/23",
    "2001:db8::/32",
    // 6to4, which leads to an IPv4 address.
    "2002::/16",
    "3fff::/20",
];

/// Where a translator leads to the IPv4 address in the last 32 bits (RFC 6052).
const TRANSLATED: &str = "64:ff9b::/96";

struct Networks {
    special_v4: Vec<Network>,
    unicast_v6: Vec<Network>,
    special_v6: Vec<Network>,
    translated: Vec<Network>,
}

static NETWORKS: LazyLock<Networks> = LazyLock::new(|| Networks {
    special_v4: parse(&SPECIAL_V4),
    unicast_v6: parse(&[UNICAST_V6]),
    special_v6: parse(&SPECIAL_V6),
    translated: parse(&[TRANSLATED]),
});

/// A test shows that none is left out.
fn parse(texts: &[&str]) -> Vec<Network> {
    texts.iter().flat_map(|text| text.parse()).collect()
}

fn lies_in(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Whether an address is one of the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    // An IPv4 address in IPv6's clothes is connected to as what it is.
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !lies_in(&NETWORKS.special_v4, address.into())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if lies_in(&NETWORKS.translated, address.into()) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    lies_in(&NETWORKS.unicast_v6, address.into()) && !lies_in(&NETWORKS.special_v6, address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_counts() {
        assert_eq!(NETWORKS.special_v4.len(), SPECIAL_V4.len());
        assert_eq!(NETWORKS.unicast_v6.len(), 1);
        assert_eq!(NETWORKS.special_v6.len(), SPECIAL_V6.len());
        assert_eq!(NETWORKS.translated.len(), 1);
    }

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        let check = |expected: bool, addresses: &str| {
            for address in addresses.split_whitespace() {
                let found = is_public(address.parse().unwrap());
                assert_eq!(found, expected, "{address}");
            }
        };
        check(
            true,
            "1.1.1.1 8.8.8.8 93.184.215.14 100.63.255.255 100.128.0.0",
        );
        check(
            true,
            "172.15.255.255 172.32.0.0 192.0.1.1 198.17.0.1 198.20.0.1 223.255.255.255",
        );
        check(
            true,
            "2606:4700:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::808:808",
        );

        check(false, "0.0.0.0 0.1.2.3 127.0.0.1 127.255.255.254");
        check(false, "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1");
        check(false, "100.64.0.1 100.127.255.255 100.100.100.200");
        check(false, "169.254.169.254 168.63.129.16 192.0.0.192");
        check(
            false,
            "192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 198.19.255.255 192.88.99.1",
        );
        check(false, "224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255");

        check(false, ":: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1");
        check(false, "fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1");
        check(
            false,
            "2001:db8::1 3fff::1 2001:2::1 2001:10::1 100::1 5f00::1",
        );
        check(
            false,
            "2001:0:4136:e378:8000:63bf:3fff:fdd2 2002:7f00:1:: 2002:808:808::",
        );
        check(
            false,
            "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::808:808",
        );
    }
}
