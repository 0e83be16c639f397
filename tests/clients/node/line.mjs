// The one line of JSON that every foreign client prints.

export const QUERY_TOOL = 'query_database';

export function line(protocol, tools, result) {
  const text = result.content
    .filter(part => part.type === 'text')
    .map(part => part.text)
    .join('\n');
  const names = tools.map(tool => tool.name);
  return JSON.stringify({ protocol, tools: names, is_error: result.isError === true, text });
}

export function bearer() {
  const token = process.env.MCP_TOKEN;
  if (token === undefined) {
    throw new Error('MCP_TOKEN is not set');
  }
  return { requestInit: { headers: { Authorization: `Bearer ${token}` } } };
}
