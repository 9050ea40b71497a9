// <button data-theme-switch>: from light to dark and back; the server reads the cookie, so that no page flashes.
import { announce, texts } from "./announce.js";

const root = document.documentElement;
const YEAR = 365 * 24 * 60 * 60;

function current() {
  return root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-switch]")) return;
  const theme = current() === "dark" ? "light" : "dark";
  root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `nexus_theme=${theme}; path=/; max-age=${YEAR}; SameSite=Lax${secure}`;
  announce(texts()[theme]);
});
