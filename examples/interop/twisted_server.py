"""A poetry server made with Twisted, for check.sh: serves FILE whole, or slowly if N and SECONDS are given.

usage: twisted_server.py FILE [N SECONDS]
"""

import sys

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.basic import FileSender


class Fast(Protocol):
    def connectionMade(self):
        self.file = open(sys.argv[1], "rb")
        done = FileSender().beginFileTransfer(self.file, self.transport)
        done.addCallback(lambda _: self.transport.loseConnection())
        done.addErrback(lambda failure: print("client lost:", failure.getErrorMessage(), file=sys.stderr))

    def connectionLost(self, reason):
        self.file.close()


class Slow(Protocol):
    def connectionMade(self):
        with open(sys.argv[1], "rb") as file:
            self.rest = file.read()
        self.send_piece()

    def send_piece(self):
        count = int(sys.argv[2])
        piece, self.rest = self.rest[:count], self.rest[count:]
        self.transport.write(piece)
        if self.rest:
            reactor.callLater(float(sys.argv[3]), self.send_piece)
        else:
            self.transport.loseConnection()


factory = Factory.forProtocol(Slow if len(sys.argv) > 2 else Fast)
port = reactor.listenTCP(0, factory, interface="127.0.0.1")
print(f"Serving {sys.argv[1]} on 127.0.0.1:{port.getHost().port}.", flush=True)
reactor.run()
