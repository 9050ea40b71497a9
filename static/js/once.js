// A form that was sent is not sent again: its button is busy until another page has come, or none has.
const WAIT = 10_000;

function rest(form) {
  delete form.dataset.sent;
  form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-busy", "true");
  setTimeout(rest, WAIT, form);
});
addEventListener("pageshow", () => document.querySelectorAll("[data-sent]").forEach(rest));
