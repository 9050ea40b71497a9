// <form data-passkey="create" or "get">: asks the browser for a passkey before it is sent. What the server wants to know
// is in data-options, or at the address in data-options-from, which is asked only when somebody wants it. The texts are
// in the data of the place for errors, under the names of the browser's errors and of ours.
import { create, get } from "./webauthn.js";

const named = (name) => Object.assign(new Error(name), { name });
const keyOf = (error) => error.name[0].toLowerCase() + error.name.slice(1);

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch(form.dataset.optionsFrom, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw named(answer.status === 429 ? "tooOften" : "server");
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
    if (!window.PublicKeyCredential) throw named("noPasskeys");
    const ask = form.dataset.passkey === "create" ? create : get;
    form.elements.credential.value = JSON.stringify(await ask(await optionsOf(form)));
    form.submit();
  } catch (error) {
    const said = form.querySelector("[data-passkey-error]").dataset;
    say(form, said[keyOf(error)] || error.message || said.other);
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
