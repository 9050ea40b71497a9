// Install: the chosen toolkit changes the URL at once; the server says in words which moment the fields name.
import { announce } from "./announce.js";

const form = document.querySelector("[data-install]");
const select = form?.querySelector("[data-toolkits]");
const said = form?.querySelector("[data-moment]");
let asked = 0;

function showToolkit() {
  const { url, facts } = select.selectedOptions[0].dataset;
  document.querySelector("#mcp-url code").textContent = url;
  for (const row of form.querySelectorAll("[data-facts-of]")) row.hidden = row.id !== facts;
  announce(`MCP URL updated for ${select.selectedOptions[0].label}`);
}

async function showMoment() {
  const question = ++asked;
  const fields = new FormData(form);
  const query = new URLSearchParams();
  for (const name of ["life", "date", "time", "zone", "occurrence"]) query.set(name, fields.get(name) ?? "");
  const answer = await fetch(`${said.dataset.moment}?${query}`, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok || question !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  said.replaceChildren(...page.body.childNodes);
}

select?.addEventListener("change", showToolkit);
form?.addEventListener("change", (event) => {
  if (event.target !== select && event.target.name !== "name") showMoment();
});
form?.addEventListener("submit", () => {
  const button = form.querySelector("button.primary");
  setTimeout(() => (button.disabled = true));
});
addEventListener("pageshow", () => {
  const button = form?.querySelector("button.primary");
  if (button) button.disabled = false;
});
