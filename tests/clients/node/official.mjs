// The clients of the official SDK as a peer: versions 1 and 2 differ in how they connect, not in
// these methods.

import { LOGS_OF_THIS_REQUEST, LOG_LEVEL, hasSessions, inLines } from './conversation.mjs';

// What a client of either version has to announce to be asked.
export const ASKABLE = { capabilities: { elicitation: {} } };

export function newOverheard() {
  return { progress: [], logged: [], asked: [] };
}

export class Official {
  // `call` is `client.callTool` with the version's own order of arguments.
  constructor(client, protocol, overheard, call) {
    Object.assign(this, { client, protocol, overheard });
    this.callTool = call;
  }

  async tools() {
    return (await this.client.listTools()).tools.map(tool => tool.name);
  }

  async call(name, args, meta) {
    const params = { name, arguments: args, ...(meta && { _meta: meta }) };
    const onprogress = ({ progress, total }) => this.overheard.progress.push([progress, total]);
    const result = await this.callTool(params, { onprogress });
    return { isError: result.isError === true, text: inLines(result.content) };
  }

  async resources() {
    return (await this.client.listResources()).resources.map(resource => resource.uri);
  }

  async read(uri) {
    return inLines((await this.client.readResource({ uri })).contents);
  }

  async prompts() {
    return (await this.client.listPrompts()).prompts.map(prompt => prompt.name);
  }

  async prompt(name, args) {
    const { messages } = await this.client.getPrompt({ name, arguments: args });
    return inLines(messages.map(message => message.content));
  }

  async wantLogs() {
    if (!hasSessions(this.protocol)) {
      return LOGS_OF_THIS_REQUEST;
    }
    await this.client.setLoggingLevel(LOG_LEVEL);
    return undefined;
  }
}
