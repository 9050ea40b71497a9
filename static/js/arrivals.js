// <section data-arrivals="address">: what arrives at the hub, as it arrives; where no stream comes through, by asking again.
import { announce } from "./announce.js";

const LOOKS_FOR = 10 * 60 * 1000;
const section = document.querySelector("[data-arrivals]");
const button = section?.querySelector("[data-arrivals-pause]");
const state = section?.querySelector("[data-arrivals-state]");
const line = document.querySelector("[data-arrivals-line]");
const waiting = line?.textContent;
const pause = button?.textContent;
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
  line.textContent = fresh.dataset.arrived || waiting;
  if (fresh.dataset.arrived && fresh.dataset.arrived !== said) announce(fresh.dataset.arrived);
  said = fresh.dataset.arrived;
}

async function poll(wait) {
  const answer = await fetch(`${section.dataset.arrivals}?${query()}`, { redirect: "error" }).catch(() => null);
  if (answer?.ok) show(await answer.text());
  state.textContent = answer?.ok ? state.dataset.looking.replace("{seconds}", wait) : state.dataset.notConnected;
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

const rest = () => stop(state.dataset.paused, button.dataset.goOn);

function start() {
  stop("", pause);
  source = new EventSource(`${section.dataset.arrivals}stream/?${query()}`);
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onerror = () => source?.readyState === EventSource.CLOSED && poll(3);
  stopping = setTimeout(stop, LOOKS_FOR, state.dataset.long, button.dataset.keepWaiting);
}

if (section) {
  start();
  button.addEventListener("click", () => (button.textContent === pause ? rest() : start()));
  document.addEventListener("nexus:chosen", (event) => ((section.dataset.toolkit = event.detail), start()));
  addEventListener("pagehide", rest);
}
