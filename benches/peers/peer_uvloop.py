"""The server of the comparison on uvloop, which is that on asyncio with another loop. `--help` tells of the arguments."""

import uvloop

from peer_asyncio import serve

if __name__ == "__main__":
    serve(f"uvloop {uvloop.__version__}", uvloop.run)
