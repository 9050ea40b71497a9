// The page that shows a new token: it asks before an unkept one is left behind, and forgets the secret on leaving.
import "./tabs.js";
import "./download.js";
import "./try.js";
import "./share.js";
import "./offline.js";
import "./arrivals.js";
import { forget as forgetDraft } from "./draft.js";

const page = document.querySelector("[data-issued]");
let isKept = false;

function forget() {
  for (const place of page.querySelectorAll("[data-secret]")) {
    place.textContent = place.dataset.masked;
    place.classList.remove("secret");
  }
  for (const place of page.querySelectorAll("[data-slot]")) place.textContent = "YOUR_TOKEN";
  for (const control of page.querySelectorAll("[data-copy], [data-download], [data-share], [data-reveal], [data-slots], [data-try] button")) {
    control.disabled = true;
  }
}

function fillSlots(isWanted) {
  for (const slot of page.querySelectorAll("[data-slot]")) {
    slot.textContent = isWanted ? page.querySelector("#token [data-secret]").textContent : "YOUR_TOKEN";
    slot.classList.toggle("secret", isWanted);
  }
}

page?.addEventListener("change", (event) => {
  if (event.target.matches("[data-reveal]")) isKept = true;
  if (event.target.matches("[data-slots]")) fillSlots(event.target.checked);
  if (event.target.matches("[data-stores]")) {
    for (const store of page.querySelectorAll(".store")) store.classList.toggle("later", store.id !== event.target.value);
  }
});
page?.addEventListener("click", (event) => {
  if (event.target.closest("[data-copy=token], [data-copy=header], [data-copy=env], [data-download=env], [data-share]")) isKept = true;
  if (event.target.closest("[data-done]")) {
    isKept = true;
    forget();
  }
});
page?.addEventListener("nexus:by-hand", ({ target }) => {
  target.hidden = false;
  page.querySelector("[data-reveal]").checked = true;
});
if (page) {
  forgetDraft();
  document.querySelector("[data-focus]")?.focus();
  addEventListener("beforeunload", (event) => !isKept && event.preventDefault());
  addEventListener("pagehide", forget);
  addEventListener("pageshow", (event) => event.persisted && forget());
}
