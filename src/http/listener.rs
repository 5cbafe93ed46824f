//! Listening sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted. What comes beyond that the kernel ignores, and the client tries again after a
/// second. The kernel has a maximum of its own, net.core.somaxconn.
const WAITING_CONNECTIONS_MAX: i32 = 4096;
/// What the kernel buffers of a connection. Linux doubles these numbers, for its own bookkeeping.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// Returns a listener, and the address that it listens on.
///
/// `[::]` takes IPv4 as well, so one setting serves clusters of either family. Where the kernel has no IPv6, it means
/// `0.0.0.0`.
pub(super) fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let is_any = address.is_ipv6() && address.ip().is_unspecified();
    let listener = match listen_on(address, is_any) {
        Err(error) if is_any && lacks_ipv6(&error) => {
            listen_on(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())), false)?
        }
        listening => listening?,
    };
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn listen_on(address: SocketAddr, with_ipv4: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if with_ipv4 {
        // The kernel's default, unless net.ipv6.bindv6only is set.
        socket.set_only_v6(false)?;
    }
    // A restart finds the port free although connections of the process before are still ending.
    socket.set_reuse_address(true)?;
    // Accepted connections inherit these. The kernel would otherwise hold megabytes for a client that does not read.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(WAITING_CONNECTIONS_MAX)?;
    Ok(socket.into())
}

/// The kernel was built or started without IPv6, or forbids it to this process.
fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}
