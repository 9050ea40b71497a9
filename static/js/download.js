// <button data-download="id of an element" data-file="name">: saves its text as a file.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-download]");
  if (!button) return;
  const text = document.getElementById(button.dataset.download).textContent;
  const address = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  Object.assign(document.createElement("a"), { href: address, download: button.dataset.file }).click();
  URL.revokeObjectURL(address);
});
