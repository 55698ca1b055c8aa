use std::net::{IpAddr, SocketAddr};

use twistor_net::{Address, Destination};

/// Any text is a destination: the same address as the standard library reads, or a host by that very name.
///
/// # Panics
///
/// If it is not.
pub fn destination(data: &[u8]) {
    let Some((port, text)) = data.split_first_chunk::<2>() else { return };
    let (port, text) = (u16::from_be_bytes(*port), String::from_utf8_lossy(text));
    let made = Destination::from((&*text, port));
    let address = made.address();
    assert_eq!(address.port(), port);
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
    match address {
        Address::Host(name, _) => {
            assert_eq!(*name, text);
            assert!(bare.parse::<IpAddr>().is_err(), "a literal is not looked up");
        }
        Address::Tcp(socket) => {
            assert!(bare.contains(['.', ':']), "{text:?} is no literal");
            if let Ok(ip) = bare.parse::<IpAddr>() {
                assert_eq!(*socket, SocketAddr::new(ip, port));
            }
        }
        _ => panic!("{text:?} is neither a literal nor a name"),
    }
    // What it is shown as is the same destination again, in parts and whole.
    assert_eq!(Destination::from((address.host(), port)), made);
    if let Some(socket) = address.socket_addr() {
        assert_eq!(address.to_string().parse(), Ok(socket));
        assert_eq!(address.ip(), Some(socket.ip()));
        assert_eq!(Destination::from(socket), made);
    }
}
