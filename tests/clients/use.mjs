// Lists and calls through the hub with an official TypeScript client: `node use.mjs PACKAGE MODE URL`, the token in NEXUS_TOKEN.
const [kind, mode, url] = process.argv.slice(2);
const newest = kind === "client";
const { Client, StreamableHTTPClientTransport } = newest
  ? await import("@modelcontextprotocol/client")
  : {
      ...(await import("@modelcontextprotocol/sdk/client/index.js")),
      ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")),
    };
const options = newest ? { versionNegotiation: { mode } } : {};
const client = new Client({ name: `typescript-${kind}`, version: "1" }, options);
const headers = { Authorization: `Bearer ${process.env.NEXUS_TOKEN}` };
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
const { tools } = await client.listTools();
const said = await client.callTool({ name: "echo__echo", arguments: { text: "hällo" } });
const failed = await client.callTool({ name: "echo__fail", arguments: { text: "no" } });
await client.close();
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), said: said.content[0].text, failed: failed.isError }));
