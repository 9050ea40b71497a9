// <input data-filter="selector">: shows the matching elements whose text holds every word typed.
// <button data-check="all | none | read-only" data-within="selector">: ticks the visible boxes.
import { announce } from "./announce.js";

function filter(input) {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of document.querySelectorAll(input.dataset.filter)) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  announce(`${shown} shown`);
}

function check(button) {
  for (const box of document.querySelectorAll(`${button.dataset.within} input[type=checkbox]`)) {
    if (box.closest("[hidden]")) continue;
    const wanted = { all: true, none: false, "read-only": box.hasAttribute("data-read-only") }[button.dataset.check];
    if (box.checked !== wanted) box.click();
  }
}

document.addEventListener("input", (event) => event.target.matches("[data-filter]") && filter(event.target));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-check]");
  if (button) check(button);
});
