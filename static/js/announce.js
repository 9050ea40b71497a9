// Says something to screen readers, politely, in the one live region of the page, whose data has the texts of modules.
const live = () => document.querySelector("[data-announcements]");

export const texts = () => live()?.dataset ?? {};

export function announce(text) {
  const region = live();
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}
