"""The official Python SDK, versions 1 and 2, over Streamable HTTP.

    MCP_TOKEN=… MCP_QUERY=STATEMENT python over_http.py product URL [MODE]
    MCP_TOKEN=…                     python over_http.py fixture URL [MODE]

Prints one line of JSON (`conversation.py`). A server that cannot be reached, or that refuses the
token, ends it with a traceback and a status other than zero.
"""

import asyncio
import os
import sys

# The sources stand in the project's tree; nothing is compiled next to them.
sys.dont_write_bytecode = True

from conversation import fixture, product  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402
from mcp.shared._httpx_utils import create_mcp_http_client  # noqa: E402
from official_sdk import connect  # noqa: E402


async def main(server: str, url: str, mode: str = "auto") -> None:
    headers = {"Authorization": f"Bearer {os.environ['MCP_TOKEN']}"}
    async with create_mcp_http_client(headers=headers) as http:
        transport = streamable_http_client(url, http_client=http)
        async with connect(transport, mode) as peer:
            if server == "fixture":
                print(await fixture(peer))
            else:
                print(await product(peer, os.environ["MCP_QUERY"]))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
