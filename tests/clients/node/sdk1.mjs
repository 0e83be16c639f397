// The official TypeScript SDK, version 1, over Streamable HTTP.
//
//     MCP_TOKEN=… node sdk1.mjs URL STATEMENT
//
// Prints one line of JSON: protocol, tools, is_error, text.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { QUERY_TOOL, bearer, line } from './line.mjs';

const [url, statement] = process.argv.slice(2);
const transport = new StreamableHTTPClientTransport(new URL(url), bearer());
const client = new Client({ name: 'sdk1', version: '1.0.0' });
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool({ name: QUERY_TOOL, arguments: { query: statement } });
console.log(line(transport.protocolVersion, tools, result));
await client.close();
