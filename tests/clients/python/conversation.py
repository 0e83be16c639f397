"""What every client talks about with a server, whoever wrote the client.

Each client is wrapped in a peer with the same few methods (in `official_sdk.py` and
`fastmcp_over_http.py`), so that the words differ and the conversation does not. A conversation
ends in one line of JSON, which the test reads.
"""

import json
from dataclasses import dataclass, field
from typing import Protocol

LOG_LEVEL = "info"

# Without sessions there is none to remember a level: each request asks for itself.
LOGS_OF_THIS_REQUEST = {"io.modelcontextprotocol/logLevel": LOG_LEVEL}

FIRST_WITHOUT_SESSIONS = "2026-07-28"

# What a user says about himself, by the fields of the question; the fixture repeats it.
USER = {"username": "ada", "email": "ada@example.com", "name": "Ada"}


def has_sessions(protocol: str) -> bool:
    return protocol < FIRST_WITHOUT_SESSIONS


def answer(schema: dict) -> dict:
    """The user's answer to a question with this schema."""
    return {field: USER[field] for field in schema["properties"]}


@dataclass
class Overheard:
    """What the server said before it answered."""

    logged: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    progress: list[list[float]] = field(default_factory=list)

    async def on_progress(self, done: float, total: float | None, _message: str | None) -> None:
        self.progress.append([done, total])


class Peer(Protocol):
    """A connected client. Texts are those of all parts of an answer, in lines."""

    protocol: str
    overheard: Overheard

    async def tools(self) -> list[str]: ...

    async def call(self, tool: str, arguments: dict, meta: dict | None = None) -> tuple[bool, str]:
        """Whether the tool failed, and what it said. Progress is overheard."""

    async def resources(self) -> list[str]: ...

    async def read(self, uri: str) -> str: ...

    async def prompts(self) -> list[str]: ...

    async def prompt(self, name: str, arguments: dict[str, str]) -> str: ...

    async def want_logs(self) -> dict | None:
        """Turns logging on; what it returns goes along with the call that is to be logged."""


def in_lines(parts: list) -> str:
    return "\n".join(part.text for part in parts if hasattr(part, "text"))


async def product(peer: Peer, statement: str) -> str:
    """List the tools and run one statement."""
    tools = await peer.tools()
    is_error, text = await peer.call("query_database", {"query": statement})
    return json.dumps(
        {"protocol": peer.protocol, "tools": tools, "is_error": is_error, "text": text}
    )


async def fixture(peer: Peer) -> str:
    """Use each feature of the protocol that the fixture server offers."""
    said = {"protocol": peer.protocol, "tools": await peer.tools()}
    _, said["text"] = await peer.call("test_simple_text", {})
    said["resources"] = await peer.resources()
    said["resource"] = await peer.read("test://static-text")
    said["prompts"] = await peer.prompts()
    said["prompt"] = await peer.prompt(
        "test_prompt_with_arguments", {"arg1": "hello", "arg2": "world"}
    )
    await peer.call("test_tool_with_progress", {})
    said["progress"] = peer.overheard.progress
    await peer.call("test_tool_with_logging", {}, await peer.want_logs())
    said["logged"] = peer.overheard.logged
    _, said["elicited"] = await elicit(peer)
    said["asked"] = peer.overheard.asked
    return json.dumps(said)


async def elicit(peer: Peer) -> tuple[bool, str]:
    """Call the tool that asks the user: on the way, or by an answer that is not the last."""
    if has_sessions(peer.protocol):
        return await peer.call("test_elicitation", {"message": "Who is there?"})
    return await peer.call("test_input_required_result_elicitation", {})
