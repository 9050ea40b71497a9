// <div data-steps="the one to begin with">: on a narrow screen its <details data-step> fold and one is open at a time.
// Phones get them so from the server, without a script; this is for narrow windows, and for turning a phone.
const box = document.querySelector("[data-steps]");
const narrow = matchMedia("(max-width: 47.99rem)");
let current = box?.dataset.steps;

function apply() {
  for (const step of box.querySelectorAll("[data-step]")) {
    if (narrow.matches) {
      step.open = step.dataset.step === current;
      step.name = "step";
      step.firstElementChild.removeAttribute("tabindex");
    } else {
      step.removeAttribute("name");
      step.open = true;
      step.firstElementChild.tabIndex = -1;
    }
  }
}

function unfolded({ target }) {
  if (!narrow.matches || !target.matches("[data-step]") || !target.open) return;
  current = target.dataset.step;
  if (target.getBoundingClientRect().top < 0) target.scrollIntoView();
}

function next({ target }) {
  const button = target.closest("[data-next]");
  if (!button) return;
  current = button.dataset.next;
  apply();
  const head = box.querySelector(`[data-step="${current}"]`).firstElementChild;
  head.focus({ preventScroll: true });
  head.scrollIntoView({ block: "start" });
}

if (box) {
  apply();
  narrow.addEventListener("change", apply);
  box.addEventListener("toggle", unfolded, true); // it does not bubble
  box.addEventListener("click", next);
  box.addEventListener("click", (event) => event.target.closest(".step-head") && !narrow.matches && event.preventDefault());
  document.addEventListener("nexus:chosen", apply);
}
