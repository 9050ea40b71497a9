// <form data-passkey="create" or "get">: asks the browser for a passkey before it is sent. What the server wants to know
// is in data-options, or at the address in data-options-from, which is asked only when somebody wants it.
import { create, get } from "./webauthn.js";

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch(form.dataset.optionsFrom, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw { name: answer.status === 429 ? "TooOften" : "Refused" };
  return (await answer.json()).request_options;
}

// What is said of an error is in the page, in the person's language: that of a NotAllowedError in data-not-allowed-error.
function say(form, error) {
  const place = form.querySelector("[data-passkey-error]");
  const name = error && error.name[0].toLowerCase() + error.name.slice(1);
  place.textContent = error ? place.dataset[name] || place.dataset.other : "";
  place.hidden = !error;
}

async function fill(form) {
  const button = form.querySelector("button");
  button.disabled = true;
  say(form, null);
  try {
    if (!window.PublicKeyCredential) throw { name: "NoPasskeys" };
    const ask = form.dataset.passkey === "create" ? create : get;
    form.elements.credential.value = JSON.stringify(await ask(await optionsOf(form)));
    form.submit();
  } catch (error) {
    say(form, error);
    button.disabled = false;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-passkey]");
  if (!form) return;
  event.preventDefault();
  fill(form);
});

// A page that comes back from the history is ready again.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[data-passkey] button")) button.disabled = false;
});
