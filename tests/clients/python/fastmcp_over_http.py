"""FastMCP's client, over Streamable HTTP.

    MCP_TOKEN=… MCP_QUERY=STATEMENT python fastmcp_over_http.py product URL [MODE]
    MCP_TOKEN=…                     python fastmcp_over_http.py fixture URL [MODE]

Prints one line of JSON (`conversation.py`). A server that cannot be reached, or that refuses the
token, ends it with a traceback and a status other than zero.
"""

import asyncio
import os
import sys

# The sources stand in the project's tree; nothing is compiled next to them.
sys.dont_write_bytecode = True

from conversation import (  # noqa: E402
    LOG_LEVEL,
    LOGS_OF_THIS_REQUEST,
    Overheard,
    answer,
    fixture,
    has_sessions,
    in_lines,
    product,
)
from fastmcp import Client  # noqa: E402


class FastMcp:
    """FastMCP's client as a peer."""

    def __init__(self, url: str, token: str, mode: str) -> None:
        self.overheard = Overheard()
        self.client = Client(
            url,
            auth=token,
            mode=mode,
            log_handler=self._on_log,
            progress_handler=self.overheard.on_progress,
            elicitation_handler=self._on_question,
        )

    async def _on_log(self, message) -> None:
        self.overheard.logged.append(message.data)

    async def _on_question(self, message: str, _type, question, _context) -> dict:
        self.overheard.asked.append(message)
        return answer(question.requested_schema)

    @property
    def protocol(self) -> str:
        return self.client.protocol_version

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, tool: str, arguments: dict, meta: dict | None = None) -> tuple[bool, str]:
        result = await self.client.call_tool(tool, arguments, raise_on_error=False, meta=meta)
        return result.is_error, in_lines(result.content)

    async def resources(self) -> list[str]:
        return [str(found.uri) for found in await self.client.list_resources()]

    async def read(self, uri: str) -> str:
        return in_lines(await self.client.read_resource(uri))

    async def prompts(self) -> list[str]:
        return [prompt.name for prompt in await self.client.list_prompts()]

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        found = await self.client.get_prompt(name, arguments)
        return in_lines([message.content for message in found.messages])

    async def want_logs(self) -> dict | None:
        if not has_sessions(self.protocol):
            return LOGS_OF_THIS_REQUEST
        await self.client.set_logging_level(LOG_LEVEL)
        return None


async def main(server: str, url: str, mode: str = "auto") -> None:
    peer = FastMcp(url, os.environ["MCP_TOKEN"], mode)
    async with peer.client:
        if server == "fixture":
            print(await fixture(peer))
        else:
            print(await product(peer, os.environ["MCP_QUERY"]))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
