// Install: each choice shows its address, its client and its set-up at once; what was typed stays.
import "./moment.js";
import "./tabs.js";
import "./download.js";
import "./try.js";
import "./arrivals.js";
import "./stepper.js";
import "./unfold.js";
import "./offline.js";
import { announce } from "./announce.js";
import { keep, restore } from "./draft.js";

const form = document.querySelector("[data-choose]");
let asked = 0;

function swap(page) {
  const focused = document.activeElement?.id;
  keep();
  for (const old of document.querySelectorAll("[data-swap]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh) continue;
    if (old.contains(document.activeElement) && old.id === "try") continue; // somebody is pasting a token
    old.replaceWith(document.importNode(fresh, true));
  }
  restore();
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
}

async function choose(event) {
  if (!event.target.name) return; // the search
  const question = ++asked;
  const address = `${form.action.split("?")[0]}?${new URLSearchParams(new FormData(form))}`;
  document.querySelector("[data-create]")?.setAttribute("disabled", ""); // its toolkit is no longer the chosen one
  const answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "error" }).catch(() => null);
  if (question !== asked) return;
  if (!answer?.ok) return location.assign(address); // signed out, or offline: the browser says so
  swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
  history.replaceState(null, "", address);
  document.dispatchEvent(new CustomEvent("nexus:chosen", { detail: form.elements.toolkit.value }));
  const { name, selectedOptions: [option] = [] } = event.target;
  const said = name === "toolkit" ? form.dataset.newAddress : form.dataset.newSetUp;
  const shown = option?.label ?? event.target.closest("label").querySelector(".client-name, strong").textContent;
  announce(said.replace("{choice}", shown));
}

form?.addEventListener("change", choose);
form?.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-issue]")) return;
  setTimeout(() => event.target.querySelector("[data-create]").setAttribute("disabled", ""));
});
addEventListener("pageshow", () => document.querySelector("[data-create]")?.removeAttribute("disabled"));
