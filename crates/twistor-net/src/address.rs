use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address of one end of a connection. Compares, orders and hashes by value.
///
/// Twisted's `IPv4Address`, `IPv6Address` and `HostnameAddress` (`twisted/internet/address.py`) in one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Address {
    /// TCP over IPv4 or IPv6; flow information and scope of IPv6 included.
    Tcp(SocketAddr),
    /// A host by its name, not looked up, and a TCP port.
    Host(String, u16),
}

impl Address {
    /// The IP address, unless it is a host by name.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Host(..) => None,
        }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Tcp(address) => address.port(),
            Self::Host(_, port) => *port,
        }
    }

    /// The address of the socket, unless it is a host by name.
    #[must_use]
    pub const fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Host(..) => None,
        }
    }

    /// The host alone: the IP address as text (with its scope, if it has one, after a `%`), or the name.
    #[must_use]
    pub fn host(&self) -> String {
        match self {
            Self::Tcp(SocketAddr::V6(v6)) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            Self::Tcp(address) => address.ip().to_string(),
            Self::Host(name, _) => name.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Host(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// Where to connect to: a host and a port.
///
/// Made from `("example.org", 80)`, a `String` and a port, an IP address and a port, or a [`SocketAddr`]. A host that is an IP
/// literal (`"127.0.0.1"`, `"::1"`, `"[::1]"`) is not looked up.
///
/// # Examples
///
/// ```
/// use twistor_net::{Address, Destination};
///
/// let name: Destination = ("example.org", 80).into();
/// assert_eq!(name.address(), &Address::Host("example.org".into(), 80));
/// let literal: Destination = ("::1", 80).into();
/// assert_eq!(literal.address(), &Address::Tcp("[::1]:80".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(Address);

impl Destination {
    /// The address: an IP address, or a name that is yet to be looked up.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.0
    }
}

impl From<(&str, u16)> for Destination {
    fn from((host, port): (&str, u16)) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return (ip, port).into();
        }
        // A scope by number ("fe80::1%2") is parsed with the port.
        match format!("[{bare}]:{port}").parse::<SocketAddr>() {
            Ok(address) => address.into(),
            Err(_) => Self(Address::Host(host.to_owned(), port)),
        }
    }
}

impl From<(String, u16)> for Destination {
    fn from((host, port): (String, u16)) -> Self {
        (host.as_str(), port).into()
    }
}

impl From<(&String, u16)> for Destination {
    fn from((host, port): (&String, u16)) -> Self {
        (host.as_str(), port).into()
    }
}

impl From<(IpAddr, u16)> for Destination {
    fn from((ip, port): (IpAddr, u16)) -> Self {
        SocketAddr::new(ip, port).into()
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Self {
        Self(Address::Tcp(address))
    }
}

/// Where to listen: an interface and a port, where port 0 is any free one.
///
/// Made from a port alone (every interface, IPv4), `("127.0.0.1", port)` as text (an empty interface is every one of IPv4), an IP
/// address and a port, or a [`SocketAddr`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    text: String,
    port: u16,
}

impl Interface {
    /// The address to bind, or the text that is none.
    pub(crate) fn resolve(&self) -> Result<SocketAddr, &str> {
        if self.text.is_empty() {
            return Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), self.port));
        }
        let destination = Destination::from((self.text.as_str(), self.port));
        match (destination.address().socket_addr(), self.text.as_str()) {
            (Some(address), _) => Ok(address),
            (None, "localhost") => Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port)),
            (None, text) => Err(text),
        }
    }

    /// The interface as it was given; empty for every one.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

impl From<u16> for Interface {
    fn from(port: u16) -> Self {
        Self { text: String::new(), port }
    }
}

impl From<(&str, u16)> for Interface {
    fn from((interface, port): (&str, u16)) -> Self {
        Self { text: interface.to_owned(), port }
    }
}

impl From<(String, u16)> for Interface {
    fn from((text, port): (String, u16)) -> Self {
        Self { text, port }
    }
}

impl From<(IpAddr, u16)> for Interface {
    fn from((ip, port): (IpAddr, u16)) -> Self {
        Self { text: ip.to_string(), port }
    }
}

impl From<(Ipv4Addr, u16)> for Interface {
    fn from((ip, port): (Ipv4Addr, u16)) -> Self {
        (IpAddr::from(ip), port).into()
    }
}

impl From<(Ipv6Addr, u16)> for Interface {
    fn from((ip, port): (Ipv6Addr, u16)) -> Self {
        (IpAddr::from(ip), port).into()
    }
}

impl From<SocketAddr> for Interface {
    fn from(address: SocketAddr) -> Self {
        Self { text: Address::Tcp(address).host(), port: address.port() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_39_addresses_compare_by_value_and_keep_the_scope() {
        let one: Destination = ("fe80::1%2", 80).into();
        assert_eq!(one.address().host(), "fe80::1%2");
        let v4 = Address::Tcp("127.0.0.1:80".parse().unwrap());
        assert_eq!(v4, Destination::from(("127.0.0.1", 80)).address().clone());
        assert_ne!(v4, Destination::from(("127.0.0.1", 81)).address().clone());
        let mut set = std::collections::BTreeSet::new();
        assert!(set.insert(v4.clone()) && !set.insert(v4));
        assert_eq!(Address::Host("a".into(), 1).to_string(), "a:1");
    }

    #[test]
    fn interfaces_are_literals_or_nothing() {
        assert_eq!(Interface::from(7).resolve(), Ok("0.0.0.0:7".parse().unwrap()));
        assert_eq!(Interface::from(("::", 7)).resolve(), Ok("[::]:7".parse().unwrap()));
        assert_eq!(Interface::from(("no such", 7)).resolve(), Err("no such"));
        let address: SocketAddr = "[::1]:9".parse().unwrap();
        assert_eq!(Interface::from(address).resolve(), Ok(address));
    }
}
