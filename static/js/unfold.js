// <input data-filter data-opens="selector of details">: what is searched is unfolded meanwhile.
document.addEventListener("input", ({ target }) => {
  if (!target.matches("[data-opens]")) return;
  for (const part of document.querySelectorAll(target.dataset.opens)) {
    part.dataset.wasOpen ??= part.open;
    part.open = Boolean(target.value.trim()) || part.dataset.wasOpen === "true" || part.querySelector(":checked") !== null;
    if (!target.value.trim()) delete part.dataset.wasOpen;
  }
});
