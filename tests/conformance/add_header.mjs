// A proxy that adds a bearer token to each request, for a client that knows no credential.
//
//     MCP_TOKEN=… node add_header.mjs URL
//
// Prints `listening on http://127.0.0.1:PORT/PATH` once it does. All else passes as it came, in
// both directions and piece by piece: method, path, status, headers and their order, an event
// stream as it is written. Only where a request names the proxy itself does it name the server
// instead: a foreign Host or Origin has to arrive.

import { createServer, request } from 'node:http';
import { pipeline } from 'node:stream';

const target = new URL(process.argv[2]);
const token = process.env.MCP_TOKEN;
if (token === undefined) {
  throw new Error('MCP_TOKEN is not set');
}

const proxy = createServer((incoming, answer) => {
  const outgoing = request({
    host: target.hostname,
    port: target.port,
    method: incoming.method,
    path: incoming.url,
    headers: forwarded(incoming.rawHeaders),
    // A connection of its own: what a client cuts off is cut off here, and nothing else is.
    agent: false,
  });
  outgoing.on('response', response => {
    answer.sendDate = false;
    answer.writeHead(response.statusCode, response.statusMessage, response.rawHeaders);
    // The head of an event stream comes long before its first event.
    answer.flushHeaders();
    pipeline(response, answer, () => {});
  });
  outgoing.on('error', () => answer.destroy());
  answer.on('close', () => outgoing.destroy());
  pipeline(incoming, outgoing, () => {});
});

// A list of names and values in turn, as they came.
function forwarded(headers) {
  const own = `127.0.0.1:${proxy.address().port}`;
  const kept = [];
  for (let at = 0; at < headers.length; at += 2) {
    const [name, value] = [headers[at], headers[at + 1]];
    const key = name.toLowerCase();
    if (key === 'host' || key === 'origin') {
      kept.push(name, value.replace(own, target.host));
    } else if (key !== 'authorization') {
      kept.push(name, value);
    }
  }
  return [...kept, 'Authorization', `Bearer ${token}`];
}

proxy.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${proxy.address().port}${target.pathname}`);
});
