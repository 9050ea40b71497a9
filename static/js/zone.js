// <p data-zone="id of a select" hidden>: offers the zone of the browser, where it is another than the one chosen.
for (const offer of document.querySelectorAll("[data-zone]")) {
  const select = document.getElementById(offer.dataset.zone);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const option = Array.from(select.options).find((each) => each.value === zone);
  if (!option || select.value === zone) continue;
  offer.querySelector("[data-zone-name]").textContent = option.textContent;
  offer.hidden = false;
  offer.querySelector("button").addEventListener("click", () => {
    select.value = zone;
    offer.hidden = true;
    select.focus();
  });
}
