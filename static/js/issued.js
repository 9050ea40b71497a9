// The page that shows a new token: tabs, the .env file, and forgetting the secret when the person leaves.
const page = document.querySelector("[data-issued]");

function forget() {
  for (const place of page.querySelectorAll("[data-secret]")) {
    place.textContent = place.dataset.masked;
    place.classList.remove("secret");
  }
  for (const button of page.querySelectorAll("[data-copy], [data-download], [data-reveal]")) button.disabled = true;
}

function download(button) {
  const text = document.getElementById(button.dataset.download).textContent;
  const address = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: button.dataset.file });
  link.click();
  URL.revokeObjectURL(address);
}

function choose(tab, tabs) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
  }
}

for (const list of page?.querySelectorAll("[data-tabs]") ?? []) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  choose(tabs[0], tabs);
  list.addEventListener("click", (event) => tabs.includes(event.target) && choose(event.target, tabs));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs.at((tabs.indexOf(document.activeElement) + step) % tabs.length);
    choose(next, tabs);
    next.focus();
  });
}

page?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-download]");
  if (button) download(button);
  if (event.target.closest("[data-done]")) forget();
});
addEventListener("pagehide", forget);
addEventListener("pageshow", (event) => event.persisted && forget());
