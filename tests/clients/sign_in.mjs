// Signs in with an official TypeScript client: `node sign_in.mjs PACKAGE URL`; then it goes on with each line it is told.
// A line that begins with http is another address to use, with what is kept. With NEXUS_CLIENT_ID it is a machine;
// NEXUS_CLIENT_DOCUMENT is the address of a document that it may be known by.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import readline from "node:readline";

const [kind, first] = process.argv.slice(2);
let url = first;
const newest = kind === "client";
const { Client, ClientCredentialsProvider, StreamableHTTPClientTransport, UnauthorizedError } = newest
  ? await import("@modelcontextprotocol/client")
  : {
      ...(await import("@modelcontextprotocol/sdk/client/index.js")),
      ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")),
      ...(await import("@modelcontextprotocol/sdk/client/auth.js")),
      ...(await import("@modelcontextprotocol/sdk/client/auth-extensions.js")),
    };

const server = http.createServer();
await once(server.listen(0, "127.0.0.1"), "listening");
const redirectUrl = `http://127.0.0.1:${server.address().port}/callback`;
const kept = {};
let answer;
const person = {
  redirectUrl,
  clientMetadataUrl: process.env.NEXUS_CLIENT_DOCUMENT,
  clientMetadata: {
    client_name: `typescript-${kind}`,
    redirect_uris: [redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  state: () => "a state",
  clientInformation: () => kept.client,
  saveClientInformation: (client) => (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => (kept.tokens = tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => (kept.verifier = verifier),
  invalidateCredentials: (what) => {
    if (what !== "verifier") delete kept.tokens;
    if (what === "all" || what === "client") delete kept.client;
  },
  redirectToAuthorization: (address) => {
    answer = once(server, "request");
    execFileSync(process.env.BROWSER, [address.href]);
  },
};
const { NEXUS_CLIENT_ID: clientId, NEXUS_CLIENT_SECRET: clientSecret, NEXUS_ISSUER: expectedIssuer } = process.env;
const provider = clientId ? new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer }) : person;

const begin = async (transport) => {
  const client = new Client({ name: `typescript-${kind}`, version: "1" }, newest ? { versionNegotiation: { mode: "auto" } } : {});
  await client.connect(transport);
  return client;
};
const connected = async () => {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
  try {
    return await begin(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
  }
  const [request, response] = await answer;
  response.end("You may close this window");
  const { searchParams } = new URL(request.url, redirectUrl);
  if (searchParams.get("state") !== "a state") throw new Error("another state");
  await transport.finishAuth(newest ? searchParams : searchParams.get("code"));
  return begin(new StreamableHTTPClientTransport(new URL(url), { authProvider: provider }));
};
const use = async () => {
  const client = await connected();
  const { tools } = await client.listTools();
  const said = await client.callTool({ name: "echo__echo", arguments: { text: "hällo" } });
  const failed = await client.callTool({ name: "echo__fail", arguments: { text: "no" } });
  await client.close();
  console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), said: said.content[0].text, failed: failed.isError }));
};

await use();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if (told.startsWith("http")) url = told;
  await use();
}
server.close();
server.closeAllConnections();
