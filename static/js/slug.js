// <input data-slug-from="id">: proposes an alias made of another field's text, until the person writes their own.
const slug = (text, longest) =>
  text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-+/, "").slice(0, longest).replace(/-+$/, "");

for (const input of document.querySelectorAll("[data-slug-from]")) {
  const source = document.getElementById(input.dataset.slugFrom);
  let proposed = input.value === "";
  input.addEventListener("input", () => (proposed = input.value === ""));
  source?.addEventListener("input", () => {
    if (proposed) input.value = slug(source.value, input.maxLength > 0 ? input.maxLength : 40);
  });
}
