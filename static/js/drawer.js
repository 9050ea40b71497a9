// <a data-drawer>: what its page says is shown in a drawer beside the list; Escape closes it and gives the focus back.
// The page has it closed: <dialog data-drawer-dialog> with a heading, a link, a button and a place for what is shown.
const drawer = document.querySelector("[data-drawer-dialog]");
const [title, link, close] = drawer?.querySelectorAll("h2, a, button") ?? [];

async function open(anchor) {
  const answer = await fetch(anchor.href, { redirect: "error" }).catch(() => null);
  if (!answer?.ok) return location.assign(anchor.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  title.textContent = page.querySelector("h1").textContent;
  link.href = anchor.href;
  drawer.querySelector("[data-drawer-body]").replaceChildren(document.importNode(page.querySelector("[data-drawer-content]"), true));
  drawer.showModal();
}

close?.addEventListener("click", () => drawer.close());
drawer?.addEventListener("click", (event) => event.target === drawer && drawer.close());
document.addEventListener("click", (event) => {
  const anchor = event.target.closest("a[data-drawer]");
  if (!anchor || !drawer || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  open(anchor);
});
