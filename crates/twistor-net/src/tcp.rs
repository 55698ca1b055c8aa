use std::io;
use std::os::fd::AsFd;

use twistor_deferred::Deferred;
use twistor_reactor::ReactorHandle;
use twistor_reactor::sources::SourceHost;

use crate::client::{connect, connect_protocol};
use crate::connection::Conn;
use crate::context::NetContext;
use crate::server::{adopt, listen};
use crate::{
    CannotListenError, ClientFactory, Connection, Connector, Destination, Factory, Interface, ListeningPort,
    NetLimits, Protocol, TcpClientOptions, TcpServerOptions,
};

/// TCP, on a [`ReactorHandle`] (Twisted's `IReactorTCP`).
pub trait ReactorTcp {
    /// Listens on `interface`: a port, `("127.0.0.1", port)`, or a [`SocketAddr`](std::net::SocketAddr); port 0 is any free one, told by
    /// [`ListeningPort::host`]. Bound before the call returns; the factory is started by a notification.
    ///
    /// # Errors
    ///
    /// If the address is in use, privileged, or not of this machine, or the reactor is gone or stopping. The factory is dropped, and was
    /// not started.
    fn listen_tcp<F: Factory>(
        &self,
        interface: impl Into<Interface>,
        factory: F,
    ) -> Result<ListeningPort, CannotListenError> {
        self.listen_tcp_with(interface, factory, TcpServerOptions::default())
    }

    /// As [`listen_tcp`](Self::listen_tcp), with options.
    ///
    /// # Errors
    ///
    /// As [`listen_tcp`](Self::listen_tcp).
    fn listen_tcp_with<F: Factory>(
        &self,
        interface: impl Into<Interface>,
        factory: F,
        options: TcpServerOptions,
    ) -> Result<ListeningPort, CannotListenError>;

    /// Connects to `destination`, a host (name or IP address) and a port. Nothing happens before the present call has returned: even a
    /// refusal is told later, to `client_connection_failed`. A name's addresses are tried one after another.
    fn connect_tcp<F: ClientFactory>(&self, destination: impl Into<Destination>, factory: F) -> Connector {
        self.connect_tcp_with(destination, factory, TcpClientOptions::default())
    }

    /// As [`connect_tcp`](Self::connect_tcp), with options.
    fn connect_tcp_with<F: ClientFactory>(
        &self,
        destination: impl Into<Destination>,
        factory: F,
        options: TcpClientOptions,
    ) -> Connector;

    /// Connects one ready-made protocol, once. The Deferred fires after its `connection_made` has returned, or fails with the
    /// [`ConnectError`](crate::ConnectError) or, if it was lost by then, the [`CloseReason`](crate::CloseReason). Cancelling stops the
    /// attempt.
    #[track_caller]
    fn connect_protocol<P: Protocol>(
        &self,
        destination: impl Into<Destination>,
        protocol: P,
    ) -> Deferred<Connection<P>> {
        self.connect_protocol_with(destination, protocol, TcpClientOptions::default())
    }

    /// As [`connect_protocol`](Self::connect_protocol), with options.
    #[track_caller]
    fn connect_protocol_with<P: Protocol>(
        &self,
        destination: impl Into<Destination>,
        protocol: P,
        options: TcpClientOptions,
    ) -> Deferred<Connection<P>>;

    /// Accepts on a listening TCP socket that somebody else made. The descriptor is duplicated: yours stays yours. When the port stops, the
    /// socket is closed but not shut down, so that other holders of it accept on.
    ///
    /// # Errors
    ///
    /// If it is no listening TCP socket, or the kernel has no descriptors.
    fn adopt_stream_port<F: Factory>(
        &self,
        socket: &impl AsFd,
        factory: F,
    ) -> Result<ListeningPort, CannotListenError>;

    /// Takes over a connected TCP socket that somebody else made, for `protocol`, which hears `connection_made` before the loop sleeps. The
    /// descriptor is duplicated: yours stays yours, and the connection is not over for the peer until you close it too.
    ///
    /// # Errors
    ///
    /// If it is no connected TCP socket, or the kernel has no descriptors. The protocol is dropped.
    fn adopt_stream_connection<P: Protocol>(
        &self,
        socket: &impl AsFd,
        protocol: P,
    ) -> io::Result<Connection<P>>;

    /// The limits of all connections of this reactor.
    fn net_limits(&self) -> NetLimits;

    /// Sets the limits of all connections of this reactor, from now on.
    fn set_net_limits(&self, limits: NetLimits);
}

impl ReactorTcp for ReactorHandle {
    fn listen_tcp_with<F: Factory>(
        &self,
        interface: impl Into<Interface>,
        factory: F,
        options: TcpServerOptions,
    ) -> Result<ListeningPort, CannotListenError> {
        listen(self, interface.into(), factory, options)
    }

    fn connect_tcp_with<F: ClientFactory>(
        &self,
        destination: impl Into<Destination>,
        factory: F,
        options: TcpClientOptions,
    ) -> Connector {
        connect(self, destination.into(), factory, options)
    }

    #[track_caller]
    fn connect_protocol_with<P: Protocol>(
        &self,
        destination: impl Into<Destination>,
        protocol: P,
        options: TcpClientOptions,
    ) -> Deferred<Connection<P>> {
        connect_protocol(self, destination.into(), protocol, options)
    }

    fn adopt_stream_port<F: Factory>(
        &self,
        socket: &impl AsFd,
        factory: F,
    ) -> Result<ListeningPort, CannotListenError> {
        adopt(self, socket.as_fd(), factory)
    }

    fn adopt_stream_connection<P: Protocol>(
        &self,
        socket: &impl AsFd,
        protocol: P,
    ) -> io::Result<Connection<P>> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, twistor_reactor::ReactorGone);
        let kernel = self.kernel().ok_or_else(gone)?;
        let duplicate = twistor_reactor::kernel::duplicate(socket.as_fd())?;
        let socket = kernel.adopt_stream(duplicate)?;
        let peer = socket.peer()?;
        let conn = Conn::new(self, self.extension::<NetContext>(), socket, peer, Box::new(protocol), None);
        let connection = Connection::new(std::rc::Rc::clone(&conn), 0);
        let registered = conn.register();
        self.notify(move |_| {
            conn.make_span(|| "adopted".to_owned());
            conn.announce(registered);
        });
        Ok(connection)
    }

    fn net_limits(&self) -> NetLimits {
        self.extension::<NetContext>().limits.borrow().clone()
    }

    fn set_net_limits(&self, limits: NetLimits) {
        self.extension::<NetContext>().set_limits(limits);
    }
}
