// <details data-menu>: Escape closes it and gives the focus back; a press outside closes it too.
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && [...document.querySelectorAll("[data-menu][open]")].at(-1);
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
