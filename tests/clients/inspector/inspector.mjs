// The official Inspector's command line, over Streamable HTTP: one process for each request.
//
//     MCP_TOKEN=… MCP_QUERY=STATEMENT node inspector.mjs product URL [ERA]
//     MCP_TOKEN=…                     node inspector.mjs fixture URL [ERA]
//
// ERA is `legacy` (the handshake) or `modern` (without sessions). Prints one line of JSON
// (`conversation.mjs`), with the era as the protocol: the Inspector does not tell the revision.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { bearer, converse, inLines } from '../node/conversation.mjs';

const LAUNCHER = 'node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js';
const [server, url, era = 'legacy'] = process.argv.slice(2);

// The Inspector keeps files in its user's home; each run has its own.
const home = mkdtempSync(join(tmpdir(), 'inspector-'));

function inspect(method, ...more) {
  const launcher = fileURLToPath(new URL(LAUNCHER, import.meta.url));
  const connection = ['--transport', 'http', '--header', `Authorization: ${bearer()}`];
  // A refused token must end the run, not open a browser.
  const manner = ['--protocol-era', era, '--format', 'json', '--quiet', '--stored-auth-only'];
  const words = [launcher, '--cli', url, ...connection, ...manner, '--method', method, ...more];
  const output = execFileSync(process.execPath, words, {
    env: { ...process.env, HOME: home },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(output).result;
}

function pairs(args) {
  return Object.entries(args).map(([name, value]) => `${name}=${value}`);
}

function option(name, values) {
  return values.length === 0 ? [] : [name, ...values];
}

const inspector = {
  protocol: era,

  tools: () => inspect('tools/list').tools.map(tool => tool.name),

  call(name, args) {
    const words = ['--tool-name', name, ...option('--tool-arg', pairs(args))];
    const result = inspect('tools/call', ...words);
    return { isError: result.isError === true, text: inLines(result.content) };
  },

  resources: () => inspect('resources/list').resources.map(resource => resource.uri),

  read: uri => inLines(inspect('resources/read', '--uri', uri).contents),

  prompts: () => inspect('prompts/list').prompts.map(prompt => prompt.name),

  prompt(name, args) {
    const words = ['--prompt-name', name, ...option('--prompt-args', pairs(args))];
    return inLines(inspect('prompts/get', ...words).messages.map(message => message.content));
  },
};

try {
  await converse(inspector, server);
} finally {
  rmSync(home, { recursive: true, force: true });
}
