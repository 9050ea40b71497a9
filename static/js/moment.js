// Install: the server says in words which moment the expiry fields name, and the page warns of long lives.
let asked = 0;

async function show(form) {
  const said = form.querySelector("[data-moment]");
  const question = ++asked;
  const fields = new FormData(form);
  const query = new URLSearchParams();
  for (const name of ["life", "date", "time", "zone", "occurrence"]) query.set(name, fields.get(name) ?? "");
  const answer = await fetch(`${said.dataset.moment}?${query}`, { headers: { Accept: "text/html" }, redirect: "error" }).catch(
    () => null,
  );
  if (!answer?.ok || question !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  said.replaceChildren(...page.body.childNodes);
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-issue]");
  if (form && ["life", "date", "time", "zone", "occurrence"].includes(event.target.name)) show(form);
});
