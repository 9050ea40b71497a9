// <form data-passkey="create" or "get">: asks the browser for a passkey before it is sent. What the server wants to know
// is in data-options, or at the address in data-options-from, which is asked only when somebody wants it.
import { create, get } from "./webauthn.js";

const SAID = {
  NotAllowedError: "Nothing was confirmed. Try again, and follow what your browser asks.",
  InvalidStateError: "This device has a passkey for you already.",
  SecurityError: "Passkeys work only under the address of this Nexus. Open it by that address, not by a number.",
  NotSupportedError: "This device cannot keep such a passkey. Try another one.",
};

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch(form.dataset.optionsFrom, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(answer.status === 429 ? "Too often. Wait a minute." : `The server said ${answer.status}.`);
  return (await answer.json()).request_options;
}

function say(form, text) {
  const place = form.querySelector("[data-passkey-error]");
  place.textContent = text;
  place.hidden = !text;
}

async function fill(form) {
  const button = form.querySelector("button");
  button.disabled = true;
  say(form, "");
  try {
    if (!window.PublicKeyCredential) throw new Error("This browser has no passkeys here. They need https, or localhost.");
    const ask = form.dataset.passkey === "create" ? create : get;
    form.elements.credential.value = JSON.stringify(await ask(await optionsOf(form)));
    form.submit();
  } catch (error) {
    say(form, SAID[error.name] || error.message || "That did not work. Try again.");
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
