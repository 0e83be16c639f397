"""The official SDK as a peer, by whichever of its major versions is installed.

Version 1 has a session that its user opens; version 2 has a client that opens its own.
"""

from contextlib import asynccontextmanager
from typing import AsyncIterator

import mcp
from conversation import (
    LOG_LEVEL,
    LOGS_OF_THIS_REQUEST,
    Overheard,
    Peer,
    answer,
    has_sessions,
    in_lines,
)


@asynccontextmanager
async def connect(transport, mode: str) -> AsyncIterator[Peer]:
    """`mode` is version 2's way to agree on a revision: `auto`, `legacy`, or a modern revision.

    Version 1 knows the legacy handshake alone.
    """
    if hasattr(mcp, "Client"):
        async with _version_2(transport, mode) as peer:
            yield peer
        return
    if mode not in ("auto", "legacy"):
        raise SystemExit(f"version 1 of the SDK cannot speak {mode}")
    async with _version_1(transport) as peer:
        yield peer


@asynccontextmanager
async def _version_1(transport) -> AsyncIterator[Peer]:
    from mcp.types import ElicitResult

    overheard = Overheard()
    callbacks = _callbacks(overheard, ElicitResult)
    # The HTTP transport yields a third value, the session id's getter, that stdio does not have.
    async with (
        transport as (read, write, *_),
        mcp.ClientSession(read, write, **callbacks) as session,
    ):
        opened = await session.initialize()
        yield _Official(session, opened.protocolVersion, overheard)


@asynccontextmanager
async def _version_2(transport, mode: str) -> AsyncIterator[Peer]:
    from mcp_types import ElicitResult

    overheard = Overheard()
    callbacks = _callbacks(overheard, ElicitResult)
    async with mcp.Client(transport, mode=mode, **callbacks) as client:
        yield _Official(client, client.protocol_version, overheard)


def _callbacks(overheard: Overheard, elicit_result: type) -> dict:
    async def on_log(message) -> None:
        overheard.logged.append(message.data)

    async def on_question(_context, question):
        overheard.asked.append(question.message)
        schema = _either(question, "requested_schema", "requestedSchema")
        return elicit_result(action="accept", content=answer(schema))

    return {"logging_callback": on_log, "elicitation_callback": on_question}


class _Official:
    """The methods that a session of version 1 and a client of version 2 have in common."""

    def __init__(self, client, protocol: str, overheard: Overheard) -> None:
        self._client = client
        self.protocol = protocol
        self.overheard = overheard

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, tool: str, arguments: dict, meta: dict | None = None) -> tuple[bool, str]:
        on_progress = self.overheard.on_progress
        result = await self._client.call_tool(
            tool, arguments, progress_callback=on_progress, meta=meta
        )
        return bool(_either(result, "is_error", "isError")), in_lines(result.content)

    async def resources(self) -> list[str]:
        return [str(found.uri) for found in (await self._client.list_resources()).resources]

    async def read(self, uri: str) -> str:
        return in_lines((await self._client.read_resource(uri)).contents)

    async def prompts(self) -> list[str]:
        return [prompt.name for prompt in (await self._client.list_prompts()).prompts]

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        found = await self._client.get_prompt(name, arguments)
        return in_lines([message.content for message in found.messages])

    async def want_logs(self) -> dict | None:
        if not has_sessions(self.protocol):
            return LOGS_OF_THIS_REQUEST
        await self._client.set_logging_level(LOG_LEVEL)
        return None


def _either(result, *names: str):
    return next(getattr(result, name) for name in names if hasattr(result, name))
