// <form data-try="MCP URL">: goes through the hub as a client does, with the token pasted or just shown.
import { ofAnswer, show } from "./verdict.js";

const SHAPE = /^nxs_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/;
const ABOUT = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "nexus-portal-test", version: "1" } };

async function ask(url, token, method, params, session) {
  const begun = performance.now();
  const answer = await fetch(url, {
    method: "POST",
    credentials: "omit",
    redirect: "error",
    signal: AbortSignal.timeout(20000),
    headers: {
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      ...(session ? { "Mcp-Session-Id": session, "MCP-Protocol-Version": ABOUT.protocolVersion } : {}),
    },
    body: JSON.stringify({ jsonrpc: "2.0", ...(method.startsWith("notifications/") ? {} : { id: 1 }), method, params }),
  });
  const said = await answer.json().catch(() => null);
  return {
    said: said?.jsonrpc ? said : null,
    status: answer.status,
    ms: performance.now() - begun,
    ends: answer.headers.get("Nexus-Token-Expires"),
    session: answer.headers.get("Mcp-Session-Id"),
  };
}

async function converse(url, token) {
  const first = await ask(url, token, "initialize", ABOUT);
  if (!first.said?.result) return first;
  await ask(url, token, "notifications/initialized", {}, first.session);
  const listed = await ask(url, token, "tools/list", {}, first.session);
  fetch(url, { method: "DELETE", credentials: "omit", headers: { Authorization: `Bearer ${token}`, "Mcp-Session-Id": first.session } }).catch(() => {});
  return listed;
}

async function test(form) {
  const place = form.querySelector("[data-verdict]");
  const url = new URL(form.dataset.try);
  const facts = { host: url.host, origin: url.origin };
  const source = form.querySelector("[data-pasted]")?.value ?? document.querySelector("#token [data-secret]").textContent;
  const token = source.trim().replace(/^(Authorization:\s*)?Bearer\s+/i, "");
  if (!SHAPE.test(token)) return show(place, "shape", { ...facts, length: token.length });
  if (url.origin !== location.origin) return show(place, "elsewhere", facts);
  const answer = await converse(url, token).catch(() => null);
  show(place, ...(answer ? ofAnswer(answer, facts) : ["unreachable", facts]));
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-try]")) return;
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  test(event.target).finally(() => (button.disabled = false));
});
