// Install: what was typed outlives another choice, the Back button, a reload and a session that ended meanwhile.
// Nothing of it is a secret, and it ends with the tab.
const KEY = "nexus-install";
const LEFT_OUT = ["csrfmiddlewaretoken", "request_key", "toolkit", "client"];
const form = () => document.querySelector("[data-issue]");

const isKept = (field) => field.name && !LEFT_OUT.includes(field.name) && field.type !== "submit";

export function keep() {
  if (!form()) return;
  const kept = [...new FormData(form())].filter(([name]) => !LEFT_OUT.includes(name));
  sessionStorage.setItem(KEY, JSON.stringify(kept));
}

export function restore() {
  const text = sessionStorage.getItem(KEY);
  if (!text || !form()) return;
  const kept = JSON.parse(text);
  for (const field of form().elements) {
    if (!isKept(field)) continue;
    const values = kept.filter(([name]) => name === field.name).map(([, value]) => value);
    if (field.type === "checkbox") field.checked = values.includes(field.value);
    else if (field.type === "radio") field.checked = field.disabled ? false : values.includes(field.value) || field.checked;
    else if (values.length) field.value = values[0];
  }
  form().querySelector("[name=life]:checked")?.dispatchEvent(new Event("change", { bubbles: true }));
}

export function forget() {
  sessionStorage.removeItem(KEY);
}

document.addEventListener("input", (event) => event.target.closest("[data-issue]") && keep());
document.addEventListener("change", (event) => event.isTrusted && event.target.closest("[data-issue]") && keep());
// A form that the server filled in, from an address or with errors, is the newer one.
const isFilledIn = new URLSearchParams(location.search).has("name") || form()?.querySelector(".error");
if (!isFilledIn) restore();
