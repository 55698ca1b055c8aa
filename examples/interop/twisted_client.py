"""A poetry client made with Twisted, for check.sh: downloads the poem at PORT of 127.0.0.1 to stdout.

usage: twisted_client.py PORT
"""

import sys

from twisted.internet import error, reactor
from twisted.internet.protocol import ClientFactory, Protocol

result = 1


class Poetry(Protocol):
    def dataReceived(self, data):
        sys.stdout.buffer.write(data)

    def connectionLost(self, reason):
        global result
        result = 0 if reason.check(error.ConnectionDone) else 1
        if result:
            print("Poem failed:", reason.getErrorMessage(), file=sys.stderr)
        reactor.stop()


class PoetryFactory(ClientFactory):
    protocol = Poetry

    def clientConnectionFailed(self, connector, reason):
        print("Failed to connect to:", connector.getDestination(), file=sys.stderr)
        reactor.stop()


reactor.connectTCP("127.0.0.1", int(sys.argv[1]), PoetryFactory())
reactor.run()
sys.stdout.buffer.flush()
sys.exit(result)
