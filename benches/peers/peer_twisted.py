"""The server of the comparison on Twisted, with the reactor that it chooses itself, which is that on epoll. `--help` tells of the arguments."""

from collections import deque

import twisted
from twisted.internet import interfaces, reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from peer_options import BACKLOG, MOST_UNSENT, PIECES, announce, read_options


@implementer(interfaces.IHalfCloseableProtocol)
class Echo(Protocol):
    """Sends back what comes. The transport is its own producer: while more than 64 KiB is unsent, nothing is read."""

    def connectionMade(self):
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data):
        self.transport.write(data)

    def readConnectionLost(self):
        # Nothing more will be produced: what is unsent is sent, then the connection closes.
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


@implementer(interfaces.IPullProducer)
class Stream(Protocol):
    """Sends without end: whenever the transport has nothing left, it asks for more. What comes is ignored."""

    def connectionMade(self):
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, False)

    def resumeProducing(self):
        self.transport.write(PIECES)

    def stopProducing(self):
        pass


@implementer(interfaces.IPushProducer)
class Broadcast(Protocol):
    """Sends what comes to all others. What a transport does not want yet waits here; who lets too much wait is dropped."""

    def connectionMade(self):
        self.transport.setTcpNoDelay(True)
        self.waiting = deque()
        self.unsent = 0
        self.paused = False
        self.transport.registerProducer(self, True)
        self.factory.everybody.add(self)

    def dataReceived(self, data):
        for other in self.factory.everybody:
            if other is not self:
                other.hear(data)

    def hear(self, data):
        if not self.paused:
            self.transport.write(data)
            return
        self.unsent += len(data)
        if self.unsent > MOST_UNSENT:
            self.waiting.clear()
            self.transport.abortConnection()
        else:
            self.waiting.append(data)

    def pauseProducing(self):
        self.paused = True

    def resumeProducing(self):
        self.paused = False
        while self.waiting and not self.paused:
            data = self.waiting.popleft()
            self.unsent -= len(data)
            self.transport.write(data)

    def stopProducing(self):
        self.waiting.clear()

    def connectionLost(self, reason):
        self.factory.everybody.discard(self)


def listening(port):
    announce(port.getHost().port)


def failed(failure):
    reactor.stop()
    raise SystemExit(f"error: {failure.getErrorMessage()}")


if __name__ == "__main__":
    options = read_options(f"Twisted {twisted.__version__}")
    factory = Factory.forProtocol({"echo": Echo, "stream": Stream, "broadcast": Broadcast}[options.mode])
    factory.everybody = set()
    # The address is given, so it listens at once or fails at once.
    endpoint = TCP4ServerEndpoint(reactor, options.port, backlog=BACKLOG, interface="127.0.0.1")
    endpoint.listen(factory).addCallbacks(listening, failed)
    reactor.run()
