// <p data-offline hidden>: is shown while the browser has no line.
const tell = () => document.querySelectorAll("[data-offline]").forEach((note) => (note.hidden = navigator.onLine));

addEventListener("online", tell);
addEventListener("offline", tell);
tell();
