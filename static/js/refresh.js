// <section data-refresh="address">: is replaced by what the address answers, every 5 seconds while the page is looked at.
const EVERY = 5000;

async function refresh(section) {
  if (document.hidden || section.contains(document.activeElement)) return;
  try {
    const answer = await fetch(section.dataset.refresh, { credentials: "same-origin", redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const newer = page.querySelector("[data-refresh]");
    if (newer) section.replaceWith(document.importNode(newer, true));
  } catch {
    // Nexus is away or the person has signed out: what is shown stays, and the next turn tries again.
  }
}

if (document.querySelector("[data-refresh]")) {
  setInterval(() => document.querySelectorAll("[data-refresh]").forEach(refresh), EVERY);
}
