// <button data-share="id of an element" data-file="name">: hands its text to another program as a file, where a phone can.
// It stands below a warning, in a <details data-can-share> that stays hidden where nothing can be shared.
const named = (name, text) => new File([text], name, { type: "text/plain" });

for (const box of document.querySelectorAll("[data-can-share]")) {
  box.hidden = !navigator.canShare?.({ files: [named("a.txt", "a")] });
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-share]");
  if (!button) return;
  const text = document.getElementById(button.dataset.share).textContent;
  navigator.share({ files: [named(button.dataset.file, text)] }).catch(() => null); // the person thought better of it
});
