// The official TypeScript SDK, version 1, over Streamable HTTP.
//
//     MCP_TOKEN=… MCP_QUERY=STATEMENT node sdk1.mjs product URL
//     MCP_TOKEN=…                     node sdk1.mjs fixture URL
//
// Prints one line of JSON (`conversation.mjs`).

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

import { answer, converse, withBearer } from './conversation.mjs';
import { ASKABLE, Official, newOverheard } from './official.mjs';

const [server, url] = process.argv.slice(2);
const transport = new StreamableHTTPClientTransport(new URL(url), withBearer());
const client = new Client({ name: 'sdk1', version: '1.0.0' }, ASKABLE);
const overheard = newOverheard();
client.setRequestHandler(ElicitRequestSchema, ({ params }) => answer(overheard, params));
client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
  overheard.logged.push(params.data);
});
await client.connect(transport);
const call = (params, options) => client.callTool(params, undefined, options);
await converse(new Official(client, transport.protocolVersion, overheard, call), server);
await client.close();
