use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// Where a poem is: a host and a port.
///
/// Parsed from `host:port`, `[::1]:port`, `:port`, or a port alone; without a host it is 127.0.0.1. Shown as `host:port`, an IPv6 address in
/// brackets.
///
/// # Examples
///
/// ```
/// use poetry_client::PoemAddress;
///
/// let address: PoemAddress = "10001".parse()?;
/// assert_eq!((address.host(), address.port()), ("127.0.0.1", 10001));
/// assert_eq!("[::1]:10001".parse::<PoemAddress>()?.host(), "::1");
/// # Ok::<(), poetry_client::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoemAddress {
    host: String,
    port: u16,
}

/// Why a text is not the address of a poem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// What should be the port is no number.
    PortNotInteger,
    /// The port is a number that no port has.
    PortOutOfRange,
    /// An IPv6 address without brackets, whose last part may or may not be the port.
    BareIpv6,
}

impl PoemAddress {
    /// The address `host`, `port`.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The host: a name, or an IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0 when parsed.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for PoemAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::PortNotInteger);
        }
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err(AddressError::PortOutOfRange),
            Ok(port) => port,
        };
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match (host, bare) {
            ("", _) => Ok(Self::new("127.0.0.1", port)),
            (_, Some(bare)) => Ok(Self::new(bare, port)),
            (host, None) if host.contains(':') => Err(AddressError::BareIpv6),
            (host, None) => Ok(Self::new(host, port)),
        }
    }
}

impl fmt::Display for PoemAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PortNotInteger => "Ports must be integers.",
            Self::PortOutOfRange => "Ports must be between 1 and 65535.",
            Self::BareIpv6 => "IPv6 addresses must be in brackets: [::1]:10001.",
        })
    }
}

impl Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<(&str, u16), AddressError>) {
        let parsed = text.parse::<PoemAddress>();
        assert_eq!(parsed, expect.map(|(host, port)| PoemAddress::new(host, port)), "{text:?}");
    }

    #[test]
    fn a_host_may_be_left_out() {
        check("10001", Ok(("127.0.0.1", 10001)));
        check(":10001", Ok(("127.0.0.1", 10001)));
        check("example.org:80", Ok(("example.org", 80)));
        check("10.0.0.1:65535", Ok(("10.0.0.1", 65535)));
    }

    #[test]
    fn ipv6_addresses_are_in_brackets() {
        check("[::1]:80", Ok(("::1", 80)));
        check("[fe80::1%2]:80", Ok(("fe80::1%2", 80)));
        check("::1:80", Err(AddressError::BareIpv6));
        check("[::1]", Err(AddressError::PortNotInteger));
    }

    #[test]
    fn ports_are_integers_that_a_port_can_have() {
        for text in
            ["", ":", "http", "localhost", "localhost:", "localhost:http", ":-1", "+80", "8O", " 80", "80 "]
        {
            check(text, Err(AddressError::PortNotInteger));
        }
        for text in ["0", "65536", "localhost:99999999999999999999"] {
            check(text, Err(AddressError::PortOutOfRange));
        }
    }

    #[test]
    fn what_is_shown_can_be_parsed() {
        for text in ["127.0.0.1:1", "[::1]:80", "example.org:65535"] {
            assert_eq!(text.parse::<PoemAddress>().map(|address| address.to_string()).as_deref(), Ok(text));
        }
    }
}
