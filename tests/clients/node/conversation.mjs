// What every client talks about with a server, whoever wrote the client, and the one line of JSON
// that tells the test what was said.
//
// A peer is a client behind these methods, each of which gives text or names:
//
//     protocol, overheard, tools(), call(tool, arguments, meta), resources(), read(uri),
//     prompts(), prompt(name, arguments), wantLogs()
//
// `overheard` is what the server said before it answered; a peer that cannot hear has none, and
// then the conversation leaves out what would be heard.

export const LOG_LEVEL = 'info';

// Without sessions there is none to remember a level: each request asks for itself.
export const LOGS_OF_THIS_REQUEST = { 'io.modelcontextprotocol/logLevel': LOG_LEVEL };

const FIRST_WITHOUT_SESSIONS = '2026-07-28';

// What a user says about himself, by the fields of the question; the fixture repeats it.
const USER = { username: 'ada', email: 'ada@example.com', name: 'Ada' };

export function hasSessions(protocol) {
  return protocol < FIRST_WITHOUT_SESSIONS;
}

export function bearer() {
  const token = process.env.MCP_TOKEN;
  if (token === undefined) {
    throw new Error('MCP_TOKEN is not set');
  }
  return `Bearer ${token}`;
}

// For the transports of the official SDK.
export function withBearer() {
  return { requestInit: { headers: { Authorization: bearer() } } };
}

// The user's answer to an `elicitation/create`.
export function answer(overheard, { message, requestedSchema }) {
  overheard.asked.push(message);
  const fields = Object.keys(requestedSchema.properties);
  return { action: 'accept', content: Object.fromEntries(fields.map(name => [name, USER[name]])) };
}

export function inLines(parts) {
  return parts
    .filter(part => part.text !== undefined)
    .map(part => part.text)
    .join('\n');
}

// Lists the tools and runs one statement (`product`), or uses each feature of the protocol that
// the fixture server offers (`fixture`).
export async function converse(peer, server) {
  const said = server === 'fixture' ? await fixture(peer) : await product(peer);
  console.log(JSON.stringify({ protocol: peer.protocol, ...said }));
}

async function product(peer) {
  const tools = await peer.tools();
  const { isError, text } = await peer.call('query_database', { query: process.env.MCP_QUERY });
  return { tools, is_error: isError, text };
}

async function fixture(peer) {
  const said = { tools: await peer.tools() };
  said.text = (await peer.call('test_simple_text', {})).text;
  said.resources = await peer.resources();
  said.resource = await peer.read('test://static-text');
  said.prompts = await peer.prompts();
  said.prompt = await peer.prompt('test_prompt_with_arguments', { arg1: 'hello', arg2: 'world' });
  return peer.overheard === undefined ? said : { ...said, ...(await overhear(peer)) };
}

async function overhear(peer) {
  const { overheard } = peer;
  await peer.call('test_tool_with_progress', {});
  // Taken now: version 2 of the SDK makes progress of its own out of each question.
  const progress = [...overheard.progress];
  await peer.call('test_tool_with_logging', {}, await peer.wantLogs());
  const elicited = (await elicit(peer)).text;
  return { ...overheard, progress, elicited };
}

// Calls the tool that asks the user: on the way, or by an answer that is not the last.
function elicit(peer) {
  return hasSessions(peer.protocol)
    ? peer.call('test_elicitation', { message: 'Who is there?' })
    : peer.call('test_input_required_result_elicitation', {});
}
