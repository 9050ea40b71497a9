// A client that is a page of another site: the official TypeScript one, with its state in the tab. It begins at ?hub=ADDRESS.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";

const sent = new URL(location).searchParams;
const show = (value) => (document.querySelector("output").textContent = JSON.stringify(value));
const get = (name) => JSON.parse(sessionStorage.getItem(name) ?? "null") ?? undefined;
const set = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));
if (sent.has("hub")) set("hub", sent.get("hub"));

const redirectUrl = `${location.origin}/`;
const provider = {
  redirectUrl,
  clientMetadata: { client_name: "A page", redirect_uris: [redirectUrl], token_endpoint_auth_method: "none" },
  state: () => "a state",
  clientInformation: () => get("client"),
  saveClientInformation: (client) => set("client", client),
  tokens: () => get("tokens"),
  saveTokens: (tokens) => set("tokens", tokens),
  codeVerifier: () => get("verifier"),
  saveCodeVerifier: (verifier) => set("verifier", verifier),
  saveDiscoveryState: (state) => set("discovered", state),
  discoveryState: () => get("discovered"),
  redirectToAuthorization: (address) => location.assign(address),
};

const use = async () => {
  const client = new Client({ name: "page", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(get("hub")), { authProvider: provider }));
  const { tools } = await client.listTools();
  const said = await client.callTool({ name: "echo__echo", arguments: { text: "hällo" } });
  await client.close();
  show({ tools: tools.map((tool) => tool.name), said: said.content[0].text });
};

const begin = async () => {
  if (sent.has("code")) {
    history.replaceState(null, "", "/");
    await new StreamableHTTPClientTransport(new URL(get("hub")), { authProvider: provider }).finishAuth(sent);
  }
  await use();
};
const told = (work) => work().catch((error) => error instanceof UnauthorizedError || show({ error: String(error) }));
document.querySelector("button").addEventListener("click", () => {
  show("…");
  told(use);
});
await told(begin);
