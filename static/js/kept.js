// <input data-keep="what is said then">: if the session had ended when its form was sent, what was typed is back after
// signing in, on a page of the same account: somebody else may sign in here next. It ends with the tab.
const KEY = "nexus-kept";

function fill(form, values) {
  for (const field of form.elements) {
    if (!field.name || field.type === "hidden") continue;
    const given = values.filter(([name]) => name === field.name).map(([, value]) => value);
    if (["checkbox", "radio"].includes(field.type)) field.checked = given.includes(field.value);
    else if (given.length) field.value = given[0];
  }
}

function say(form) {
  const note = document.createElement("p");
  note.className = "banner info";
  note.setAttribute("role", "status");
  note.textContent = form.querySelector("[data-keep]").dataset.keep;
  form.prepend(note);
}

document.addEventListener("submit", ({ target }) => {
  if (!target.querySelector("[data-keep]")) return;
  const values = [...new FormData(target)].filter(([name, value]) => typeof value === "string" && name !== "csrfmiddlewaretoken");
  sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname, values }));
});

const kept = JSON.parse(sessionStorage.getItem(KEY));
const shown = document.querySelector("[data-keep]");
const form = shown?.form;
const isOurs = kept?.values.some(([name, value]) => name === shown?.name && value === shown.value);
if (kept && location.pathname.startsWith("/accounts/login/")) {
  sessionStorage.setItem(KEY, JSON.stringify({ ...kept, wasSignedOut: true }));
} else if (kept && (!kept.wasSignedOut || kept.path === location.pathname)) {
  sessionStorage.removeItem(KEY);
  if (kept.wasSignedOut && isOurs && !form.querySelector(".error")) {
    fill(form, kept.values);
    say(form);
  }
}
