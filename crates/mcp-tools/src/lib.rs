//! The MCP tools
