// <section data-arrivals="address">: what arrives at the hub, as it arrives; where no stream comes through, by asking again.
import { announce } from "./announce.js";

const LOOKS_FOR = 10 * 60 * 1000;
const section = document.querySelector("[data-arrivals]");
const button = section?.querySelector("[data-arrivals-pause]");
const state = section?.querySelector("[data-arrivals-state]");
let source, timer, stopping, said;

function query() {
  const { toolkit, since, token } = section.dataset;
  return new URLSearchParams({ toolkit, since, ...(token ? { token } : {}) });
}

function show(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.querySelector("[data-arrived]");
  if (!fresh) return;
  section.querySelector("[data-arrived]").replaceWith(document.importNode(fresh, true));
  document.querySelector("[data-arrivals-line]").textContent = fresh.dataset.arrived || "Waiting for a first request …";
  if (fresh.dataset.arrived && fresh.dataset.arrived !== said) announce(fresh.dataset.arrived);
  said = fresh.dataset.arrived;
}

async function poll(wait) {
  const answer = await fetch(`${section.dataset.arrivals}?${query()}`, { redirect: "error" }).catch(() => null);
  if (answer?.ok) show(await answer.text());
  state.textContent = answer?.ok ? `Looking every ${wait} seconds` : "Not connected; trying again";
  timer = setTimeout(poll, wait * 1000, Math.min(wait + 1, 10));
}

function stop(word, label) {
  source?.close();
  clearTimeout(timer);
  clearTimeout(stopping);
  source = null;
  state.textContent = word;
  button.textContent = label;
}

function start() {
  stop("", "Pause");
  source = new EventSource(`${section.dataset.arrivals}stream/?${query()}`);
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onerror = () => source?.readyState === EventSource.CLOSED && poll(3);
  stopping = setTimeout(stop, LOOKS_FOR, "Paused after 10 minutes", "Keep waiting");
}

if (section) {
  start();
  button.addEventListener("click", () => (button.textContent === "Pause" ? stop("Paused", "Go on") : start()));
  document.addEventListener("nexus:chosen", (event) => ((section.dataset.toolkit = event.detail), start()));
  addEventListener("pagehide", () => stop("Paused", "Go on"));
}
