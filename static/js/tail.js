// <button data-tail="address">: while pressed, new calls appear above the others, and those under way are completed.
import { announce } from "./announce.js";

const [EVERY, SAID_EVERY, MOST] = [2000, 10000, 200];

const button = document.querySelector("[data-tail]");
const [state, label] = ["[data-tail-state]", "[data-tail-label]"].map((name) => document.querySelector(name));
const off = label?.textContent;
const body = () => document.querySelector("[data-rows] tbody");
let etag = "", timer = 0, unsaid = 0, saidAt = 0;

function merge(rows) {
  let fresh = 0, above = null;
  for (const row of rows) {
    const shown = document.getElementById(row.id);
    if (!shown) {
      row.dataset.fresh = "";
      above ? above.after(row) : body().prepend(row);
      fresh += 1;
    } else if (shown.className !== row.className && !shown.contains(document.activeElement)) {
      shown.replaceWith(row);
    }
    above = document.getElementById(row.id);
  }
  while (body().rows.length > MOST) body().lastElementChild.remove();
  if (fresh === rows.length && fresh) {
    above.insertAdjacentHTML("afterend", '<tr class="gap"><td colspan="6"></td></tr>');
    above.nextElementSibling.cells[0].textContent = state.dataset.gap;
  }
  return fresh;
}

function tell(fresh) {
  unsaid += fresh;
  if (!unsaid || Date.now() - saidAt < SAID_EVERY) return;
  announce(state.dataset.fresh.replace("{number}", unsaid));
  [unsaid, saidAt] = [0, Date.now()];
}

async function look() {
  if (document.hidden) return;
  const answer = await fetch(button.dataset.tail, { headers: { "If-None-Match": etag }, redirect: "error", cache: "no-store" }).catch(() => null);
  if (answer?.status === 304) return tell(0);
  if (!answer?.ok) return say(state.dataset.lost);
  etag = answer.headers.get("ETag") ?? "";
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!body()) return location.reload();
  tell(merge([...page.querySelectorAll("tr.call")].map((row) => document.importNode(row, true))));
  say(state.dataset.live);
}

const say = (text) => (state.textContent = text);
button?.addEventListener("click", () => {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  label.textContent = on ? label.dataset.on : off;
  clearInterval(timer);
  timer = on ? setInterval(look, EVERY) : 0;
  on ? look() : say("");
});
