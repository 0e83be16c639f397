// The official TypeScript client, version 2, over Streamable HTTP.
//
//     MCP_TOKEN=… node client2.mjs URL STATEMENT [MODE]
//
// MODE is `auto` (ask first, fall back to the handshake), `legacy`, or the one revision to speak.
// Prints one line of JSON: protocol, tools, is_error, text.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { QUERY_TOOL, bearer, line } from './line.mjs';

const [url, statement, wanted = 'auto'] = process.argv.slice(2);
const mode = wanted === 'auto' || wanted === 'legacy' ? wanted : { pin: wanted };
const transport = new StreamableHTTPClientTransport(new URL(url), bearer());
const client = new Client({ name: 'client2', version: '1.0.0' }, { versionNegotiation: { mode } });
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool({ name: QUERY_TOOL, arguments: { query: statement } });
console.log(line(client.getNegotiatedProtocolVersion(), tools, result));
await client.close();
