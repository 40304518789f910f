//! Which addresses may be reached.
//!
//! The tables stand here and nowhere else. IPv4 is a list of what is refused, taken from IANA's special-purpose
//! registry; IPv6 is the one block that is globally routed today, minus its exceptions, so that whatever is invented
//! elsewhere stays refused until named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

const REFUSED_V4: [Ipv4Net; 17] = [
    v4(0, 0, 0, 0, 8),          // this network
    v4(10, 0, 0, 0, 8),         // private
    v4(100, 64, 0, 0, 10),      // shared (carrier NAT)
    v4(127, 0, 0, 0, 8),        // loopback
    v4(168, 63, 129, 16, 32),   // public by number, but Azure answers it inside every virtual machine
    v4(169, 254, 0, 0, 16),     // link-local, cloud metadata
    v4(172, 16, 0, 0, 12),      // private
    v4(192, 0, 0, 0, 24),       // protocol assignments
    v4(192, 0, 2, 0, 24),       // documentation
    v4(192, 88, 99, 0, 24),     // 6to4 relays, withdrawn
    v4(192, 168, 0, 0, 16),     // private
    v4(198, 18, 0, 0, 15),      // benchmarking
    v4(198, 51, 100, 0, 24),    // documentation
    v4(203, 0, 113, 0, 24),     // documentation
    v4(224, 0, 0, 0, 4),        // multicast
    v4(240, 0, 0, 0, 4),        // reserved
    v4(255, 255, 255, 255, 32), // broadcast
];

/// The only IPv6 space that is routed globally. Loopback, mapped, compatible, NAT64, discard, SRv6, unique-local,
/// link-local, site-local and multicast all lie outside it.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

const REFUSED_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),      // protocol assignments: Teredo, benchmarking, both ORCHIDs
    v6(0x2001, 0x0db8, 32), // documentation
    v6(0x2002, 0, 16),      // 6to4
    v6(0x3fff, 0, 20),      // documentation
];

const TEREDO: Ipv6Net = v6(0x2001, 0, 32);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 16);
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
const NAT64_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48);
const COMPATIBLE: Ipv6Net = v6(0, 0, 96);

/// Whether an address is globally routable unicast: somebody else's machine on the public internet, as far as a number
/// can tell.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !REFUSED_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => GLOBAL_V6.contains(&ip) && !REFUSED_V6.iter().any(|net| net.contains(&ip)),
    }
}

/// The policy for one client: which addresses its connections may go to.
#[derive(Clone, Debug)]
pub struct Guard(Rule);

#[derive(Clone, Debug)]
enum Rule {
    Unrestricted,
    Strangers { allowed: Vec<IpNet>, own: Vec<SocketAddr> },
}

impl Guard {
    /// For addresses that a tenant or a provider can influence. `allowed` are ranges the operator named; they override
    /// the refusal of addresses that are not public. `own` are this process's listen addresses; nothing overrides their
    /// refusal. An unspecified listen address (`0.0.0.0`, `[::]`) stands for every address of this machine with that
    /// port.
    #[must_use]
    pub fn strangers(allowed: Vec<IpNet>, own: Vec<SocketAddr>) -> Self {
        Self(Rule::Strangers { allowed, own })
    }

    /// For fixed hosts from the operator's own configuration: no restriction at all.
    #[must_use]
    pub fn operator() -> Self {
        Self(Rule::Unrestricted)
    }

    /// Whether this guard judges addresses, that is, was made by [`Guard::strangers`].
    #[must_use]
    pub fn restricts(&self) -> bool {
        matches!(self.0, Rule::Strangers { .. })
    }

    /// Whether a connection to this address may be attempted.
    #[must_use]
    pub fn permits(&self, addr: SocketAddr) -> bool {
        let Rule::Strangers { allowed, own } = &self.0 else {
            return true;
        };
        if has_zone(addr) || !port_is_fair(addr.port()) || is_own(own, addr) {
            return false;
        }
        if !allowed.iter().any(|net| net.contains(&addr.ip())) {
            return is_public(addr.ip());
        }
        // An allowed translation prefix must not smuggle in an IPv4 address that is not allowed itself.
        embedded_v4(addr.ip()).is_none_or(|inner| self.permits(SocketAddr::new(inner.into(), addr.port())))
    }

    /// Whether a connection that now stands leads back to ourselves. A socket whose two ends have the same address
    /// never left this machine, which is how the other addresses of an unspecified listener are found without listing
    /// interfaces.
    pub(crate) fn leads_home(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        let Rule::Strangers { own, .. } = &self.0 else {
            return false;
        };
        local.ip() == peer.ip() && own.iter().any(|listen| listen.port() == peer.port() && listen.ip().is_unspecified())
    }
}

fn has_zone(addr: SocketAddr) -> bool {
    matches!(addr, SocketAddr::V6(addr) if addr.scope_id() != 0)
}

/// The ports of the web and those that need no privilege; what lies between belongs to other protocols (mail, shells,
/// file shares).
pub(crate) fn port_is_fair(port: u16) -> bool {
    matches!(port, 80 | 443 | 1024..)
}

fn is_own(own: &[SocketAddr], addr: SocketAddr) -> bool {
    let target = addr.ip().to_canonical();
    own.iter().any(|listen| {
        let listen_ip = listen.ip().to_canonical();
        listen.port() == addr.port()
            && (listen_ip == target
                || (listen_ip.is_unspecified() && is_here(target))
                || (target.is_unspecified() && is_here(listen_ip)))
    })
}

/// Connecting to the unspecified address reaches loopback on Linux, so the two count alike.
fn is_here(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

fn embedded_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else {
        return None;
    };
    let octets = ip.octets();
    let at = |start: usize| Ipv4Addr::new(octets[start], octets[start + 1], octets[start + 2], octets[start + 3]);
    if let Some(mapped) = ip.to_ipv4_mapped() {
        Some(mapped)
    } else if NAT64.contains(&ip) || NAT64_LOCAL.contains(&ip) {
        Some(at(12))
    } else if SIX_TO_FOUR.contains(&ip) {
        Some(at(2))
    } else if TEREDO.contains(&ip) {
        // Teredo hides the client's address from careless translators by inverting it.
        Some(Ipv4Addr::from_bits(!at(12).to_bits()))
    } else if COMPATIBLE.contains(&ip) && !is_here(ip.into()) {
        Some(at(12))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("a socket address")
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("a network")).collect()
    }

    #[test]
    fn named_ranges_override_the_refusal_and_nothing_else_does() {
        let guard = Guard::strangers(nets(&["10.1.0.0/16", "fd00::/8"]), vec![]);
        assert!(guard.permits(addr("10.1.2.3:8080")));
        assert!(guard.permits(addr("[fd00::1]:8080")));
        assert!(guard.permits(addr("93.184.215.14:443")));
        assert!(!guard.permits(addr("10.2.2.3:8080")));
        assert!(!guard.permits(addr("127.0.0.1:8080")));
        assert!(!guard.permits(addr("10.1.2.3:25")), "ports of other protocols stay refused");
        assert!(!guard.permits(addr("[::ffff:10.1.2.3]:8080")), "only the plain form was named");
    }

    #[test]
    fn the_inner_address_of_an_allowed_translation_prefix_is_judged() {
        let guard =
            Guard::strangers(nets(&["64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96"]), vec![]);
        assert!(guard.permits(addr("[64:ff9b::5db8:d70e]:443")));
        assert!(!guard.permits(addr("[64:ff9b::7f00:1]:443")));
        assert!(!guard.permits(addr("[64:ff9b:1::a00:1]:443")));
        assert!(!guard.permits(addr("[2002:7f00:1::]:443")));
        assert!(!guard.permits(addr("[2001::f5ff:fffe]:443")), "Teredo for 10.0.0.1");
        assert!(!guard.permits(addr("[::a00:1]:443")));
        assert!(guard.permits(addr("[::1]:443")), "named, and loopback embeds nothing");
    }

    #[test]
    fn our_own_addresses_stay_refused_inside_an_allowed_range() {
        let here = nets(&["127.0.0.0/8", "::1/128", "0.0.0.0/8", "::/128", "::ffff:0:0/96"]);
        let one = Guard::strangers(here.clone(), vec![addr("127.0.0.1:8080")]);
        assert!(!one.permits(addr("127.0.0.1:8080")));
        assert!(!one.permits(addr("0.0.0.0:8080")), "reaches loopback");
        assert!(!one.permits(addr("[::ffff:127.0.0.1]:8080")));
        assert!(one.permits(addr("127.0.0.1:8081")));
        assert!(one.permits(addr("127.0.0.2:8080")));

        for listen in ["0.0.0.0:8080", "[::]:8080"] {
            let all = Guard::strangers(here.clone(), vec![addr(listen)]);
            for target in ["127.0.0.1:8080", "127.9.9.9:8080", "[::1]:8080", "0.0.0.0:8080", "[::]:8080"] {
                assert!(!all.permits(addr(target)), "{target} with {listen}");
            }
            assert!(all.permits(addr("127.0.0.1:8081")));
        }
    }

    #[test]
    fn a_connection_that_stays_on_this_machine_leads_home() {
        let guard = Guard::strangers(nets(&["10.0.0.0/8"]), vec![addr("0.0.0.0:8080")]);
        assert!(guard.leads_home(addr("10.0.0.5:50000"), addr("10.0.0.5:8080")));
        assert!(!guard.leads_home(addr("10.0.0.5:50000"), addr("10.0.0.5:8081")));
        assert!(!guard.leads_home(addr("10.0.0.5:50000"), addr("10.0.0.6:8080")));
        assert!(!Guard::operator().leads_home(addr("10.0.0.5:50000"), addr("10.0.0.5:8080")));
    }

    #[test]
    fn a_zone_is_refused_even_where_the_range_is_allowed() {
        let guard = Guard::strangers(nets(&["::/0"]), vec![]);
        let zoned = std::net::SocketAddrV6::new("fe80::1".parse().expect("an address"), 443, 0, 2);
        assert!(!guard.permits(zoned.into()));
        assert!(Guard::operator().permits(zoned.into()));
    }
}
