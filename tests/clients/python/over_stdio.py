"""The official Python SDK, versions 1 and 2, over the standard streams of a server it starts.

    MCP_QUERY=STATEMENT [MCP_MODE=MODE] python over_stdio.py COMMAND [ARGUMENT…]

Prints one line of JSON (`conversation.py`). The server inherits the environment and standard
error.
"""

import asyncio
import os
import sys

# The sources stand in the project's tree; nothing is compiled next to them.
sys.dont_write_bytecode = True

from conversation import product  # noqa: E402
from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: E402
from official_sdk import connect  # noqa: E402


async def main(command: str, *arguments: str) -> None:
    # The SDK would pass a handful of variables only; a test hands its settings in by others.
    server = StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ))
    async with connect(stdio_client(server), os.environ.get("MCP_MODE", "auto")) as peer:
        print(await product(peer, os.environ["MCP_QUERY"]))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
