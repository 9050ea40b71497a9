// <a data-drawer>: what its page says is shown in a drawer beside the list; Escape closes it and gives the focus back.
const drawer = document.createElement("dialog");
drawer.className = "drawer";
drawer.innerHTML = '<div class="drawer-head"><h2 id="drawer-title"></h2><a class="button small">Open as a page</a><button class="button small" type="button">Close</button></div><div data-drawer-body></div>';
drawer.setAttribute("aria-labelledby", "drawer-title");
document.body.append(drawer);
const [title, link, close] = drawer.querySelectorAll("h2, a, button");

async function open(anchor) {
  const answer = await fetch(anchor.href, { redirect: "error" }).catch(() => null);
  if (!answer?.ok) return location.assign(anchor.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  title.textContent = page.querySelector("h1").textContent;
  link.href = anchor.href;
  drawer.querySelector("[data-drawer-body]").replaceChildren(document.importNode(page.querySelector("[data-drawer-content]"), true));
  drawer.showModal();
}

close.addEventListener("click", () => drawer.close());
drawer.addEventListener("click", (event) => event.target === drawer && drawer.close());
document.addEventListener("click", (event) => {
  const anchor = event.target.closest("a[data-drawer]");
  if (!anchor || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  open(anchor);
});
