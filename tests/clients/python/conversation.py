"""One conversation with a server, by whichever major version of the official SDK is installed.

Version 1 has a session that its user opens; version 2 has a client that opens its own. What both
tell the test is the same line of JSON.
"""

import json

import mcp

QUERY_TOOL = "query_database"


def line(protocol: str, tools: list[str], is_error: bool, content: list) -> str:
    text = "\n".join(part.text for part in content if part.type == "text")
    return json.dumps({"protocol": protocol, "tools": tools, "is_error": is_error, "text": text})


async def converse(transport, statement: str, mode: str) -> str:
    """List the tools, run one statement, and return the line that describes both.

    `mode` is version 2's way to agree on a revision: `auto`, `legacy`, or a modern revision.
    Version 1 knows the legacy handshake alone.
    """
    if hasattr(mcp, "Client"):
        return await _with_client(transport, statement, mode)
    if mode != "auto" and mode != "legacy":
        raise SystemExit(f"version 1 of the SDK cannot speak {mode}")
    return await _with_session(transport, statement)


async def _with_client(transport, statement: str, mode: str) -> str:
    async with mcp.Client(transport, mode=mode) as client:
        tools = (await client.list_tools()).tools
        result = await client.call_tool(QUERY_TOOL, {"query": statement})
        names = [tool.name for tool in tools]
        return line(client.protocol_version, names, bool(result.is_error), result.content)


async def _with_session(transport, statement: str) -> str:
    # The HTTP transport yields a third value, the session id's getter, that stdio does not have.
    async with transport as (read, write, *_), mcp.ClientSession(read, write) as session:
        opened = await session.initialize()
        tools = (await session.list_tools()).tools
        result = await session.call_tool(QUERY_TOOL, {"query": statement})
        names = [tool.name for tool in tools]
        return line(opened.protocolVersion, names, result.isError, result.content)
