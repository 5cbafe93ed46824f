//! Addresses to listen on.

use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};

use crate::domain::Problem;

/// Accepts `127.0.0.1:8080`, `[::1]:8080`, a name as in `localhost:8080`, and `:8080` for every address of the machine. A name
/// means its first IPv4 address, because the default is one, or else its first IPv6 address.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, Problem> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let malformed = || {
        Problem::new("must be an address and a port, as 127.0.0.1:8080, localhost:8080 or :8080")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
    let port: u16 = port.parse().map_err(|_| malformed())?;
    if host.is_empty() {
        return Ok((Ipv6Addr::UNSPECIFIED, port).into());
    }
    if host.contains([':', '/', '[']) {
        return Err(malformed());
    }
    let found = (host, port).to_socket_addrs();
    let found: Vec<_> =
        found.map_err(|error| Problem::new(format!("{host} has no address: {error}")))?.collect();
    let ipv4 = found.iter().find(|address| address.is_ipv4());
    ipv4.or(found.first()).copied().ok_or_else(|| Problem::new(format!("{host} has no address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_be_a_name_or_left_out() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:0", "[::1]:0"),
            (":8080", "[::]:8080"),
            (":0", "[::]:0"),
            ("localhost:8080", "127.0.0.1:8080"),
        ] {
            assert_eq!(listen_address(text).unwrap(), address.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_addresses() {
        for text in [
            "",
            "8080",
            "localhost",
            "127.0.0.1",
            ":",
            ":x",
            ":65536",
            "::1:80",
            "a/b:80",
            "[::1:80",
        ] {
            let problem = listen_address(text).unwrap_err().to_string();
            assert!(problem.contains("localhost:8080"), "{text}: {problem}");
        }
        let unknown = listen_address("no-such-host.invalid:80").unwrap_err().to_string();
        assert!(unknown.contains("no-such-host.invalid has no address"), "{unknown}");
    }
}
