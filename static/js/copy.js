// <button data-copy="id of an element">: copies its text or value, and says so only when it is true.
import { announce, texts } from "./announce.js";

const textOf = (source) => ("value" in source ? source.value : source.textContent).replace(/\n$/, "");

function select(source) {
  source.dispatchEvent(new CustomEvent("nexus:by-hand", { bubbles: true })); // what is masked would be copied masked
  if (source.select) return source.select();
  const range = document.createRange();
  range.selectNodeContents(source);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[data-copy-label]") || button;
  const before = (button.dataset.copyBefore ||= label.textContent);
  try {
    await navigator.clipboard.writeText(textOf(source));
    label.textContent = texts().copied;
    announce(`${texts().copied}: ${button.getAttribute("aria-label") || before}`);
  } catch {
    select(source);
    label.textContent = texts().byHand;
    announce(texts().selected);
  }
  setTimeout(() => (label.textContent = before), 2000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
