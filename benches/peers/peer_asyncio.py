"""The server of the comparison on asyncio: protocols, without streams. `--help` tells of the arguments. That on uvloop is the same with another loop.

Both loops set TCP_NODELAY on every connection of their own accord."""

import asyncio

from peer_options import BACKLOG, MOST_UNSENT, PIECES, announce, read_options


# Where every read of an echo goes.
BUFFER = memoryview(bytearray(64 * 1024))


class Echo(asyncio.BufferedProtocol):
    """Sends back what comes. While more than the transport's bound (64 KiB) is unsent, nothing is read. At the end that the client sends, the transport
    sends what is left and closes."""

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, hint):
        return BUFFER

    def buffer_updated(self, count):
        # A copy, since the transport may keep it.
        self.transport.write(bytes(BUFFER[:count]))

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Stream(asyncio.Protocol):
    """Sends without end, as long as the transport wants more; ignores what comes."""

    def connection_made(self, transport):
        self.transport = transport
        self.paused = False
        self.loop = asyncio.get_running_loop()
        self.more()

    def more(self):
        if self.paused or self.transport.is_closing():
            return
        self.transport.write(PIECES)
        # Others have their turn in between.
        self.loop.call_soon(self.more)

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        self.more()


class Broadcast(asyncio.Protocol):
    """Sends what comes to all others. Who lets too much wait is dropped."""

    everybody = set()

    def connection_made(self, transport):
        self.transport = transport
        self.everybody.add(transport)

    def data_received(self, data):
        for other in self.everybody:
            if other is self.transport or other.is_closing():
                continue
            if other.get_write_buffer_size() + len(data) > MOST_UNSENT:
                other.abort()
            else:
                other.write(data)

    def connection_lost(self, error):
        self.everybody.discard(self.transport)


async def main(options):
    protocol = {"echo": Echo, "stream": Stream, "broadcast": Broadcast}[options.mode]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", options.port, backlog=BACKLOG)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def serve(library, run):
    """Serves until the process ends, in the loop of `run`, which belongs to `library`."""
    options = read_options(library)
    run(main(options))


if __name__ == "__main__":
    serve("asyncio", asyncio.run)
