use std::fmt;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

/// An address in two words. A [`SocketAddr`] has four, for IPv6, which is kept in a box here.
pub(super) enum Peer {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl Peer {
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::V4(address) => SocketAddr::V4(*address),
            Self::V6(address) => SocketAddr::V6(**address),
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::V4(address),
            SocketAddr::V6(address) => Self::V6(Box::new(address)),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_address_is_lost() {
        let scoped = SocketAddr::V6(SocketAddrV6::new("fe80::7".parse().unwrap(), 80, 3, 4));
        for address in ["127.0.0.1:65535".parse().unwrap(), "[::1]:1".parse().unwrap(), scoped] {
            let peer = Peer::from(address);
            assert_eq!(peer.address(), address);
            assert_eq!(peer.to_string(), address.to_string());
        }
    }
}
