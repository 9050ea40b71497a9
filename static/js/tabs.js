// <div data-tabs> with role=tablist: shows one panel at a time; arrow keys move. Without scripts all are shown.
function choose(tab, tabs) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).classList.toggle("later", !chosen);
  }
}

function tabsOf(event) {
  const list = event.target.closest?.("[data-tabs]");
  return list ? [...list.querySelectorAll("[role=tab]")] : [];
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  const tabs = tabsOf(event);
  if (tabs.includes(tab)) choose(tab, tabs);
});
document.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const tabs = tabsOf(event);
  if (!step || !tabs.length) return;
  const next = tabs.at((tabs.indexOf(document.activeElement) + step) % tabs.length);
  choose(next, tabs);
  next.focus();
});
