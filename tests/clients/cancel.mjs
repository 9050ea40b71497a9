// Takes a call back with an official TypeScript client, once a line comes on standard input: `node cancel.mjs PACKAGE URL`.
import { createInterface } from "node:readline";
const [kind, url] = process.argv.slice(2);
const { Client, StreamableHTTPClientTransport } =
  kind === "client"
    ? await import("@modelcontextprotocol/client")
    : {
        ...(await import("@modelcontextprotocol/sdk/client/index.js")),
        ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")),
      };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const options = kind === "client" ? { versionNegotiation: { mode: "legacy" } } : {};
const client = new Client({ name: `typescript-${kind}`, version: "1" }, options);
const problems = [];
client.onerror = (error) => problems.push(error.message);
const headers = { Authorization: `Bearer ${process.env.NEXUS_TOKEN}` };
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
const stop = new AbortController();
const asked = { name: "interplay__wait", arguments: {} };
const more = { signal: stop.signal, timeout: 60000 };
const waiting = (kind === "client" ? client.callTool(asked, more) : client.callTool(asked, undefined, more)).catch(() => null);
await lines.next();
stop.abort("no longer needed");
await waiting;
await lines.next();
const { tools } = await client.listTools();
await client.close();
console.log(JSON.stringify({ tools: tools.length, problems }));
process.exit(0);
