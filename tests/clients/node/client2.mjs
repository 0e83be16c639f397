// The official TypeScript client, version 2, over Streamable HTTP.
//
//     MCP_TOKEN=… MCP_QUERY=STATEMENT node client2.mjs product URL [MODE]
//     MCP_TOKEN=…                     node client2.mjs fixture URL [MODE]
//
// MODE is `auto` (ask first, fall back to the handshake), `legacy`, or the one revision to speak.
// Prints one line of JSON (`conversation.mjs`).

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { answer, converse, withBearer } from './conversation.mjs';
import { ASKABLE, Official, newOverheard } from './official.mjs';

const [server, url, wanted = 'auto'] = process.argv.slice(2);
const mode = wanted === 'auto' || wanted === 'legacy' ? wanted : { pin: wanted };
const transport = new StreamableHTTPClientTransport(new URL(url), withBearer());
const client = new Client(
  { name: 'client2', version: '1.0.0' },
  { ...ASKABLE, versionNegotiation: { mode } },
);
const overheard = newOverheard();
client.setRequestHandler('elicitation/create', ({ params }) => answer(overheard, params));
client.setNotificationHandler('notifications/message', ({ params }) => {
  overheard.logged.push(params.data);
});
await client.connect(transport);
const protocol = client.getNegotiatedProtocolVersion();
const call = (params, options) => client.callTool(params, options);
await converse(new Official(client, protocol, overheard, call), server);
await client.close();
