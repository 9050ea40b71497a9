// Says something to screen readers, politely, in the one live region of the page.
export function announce(text) {
  const region = document.querySelector("[data-announcements]");
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}
