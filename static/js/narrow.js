// Install: the chosen toolkit decides which tools can be ticked, and which lives a policy leaves.
const form = document.querySelector("[data-install]");
const select = form?.querySelector("[data-toolkits]");
const part = form?.querySelector("[data-narrow]");
const list = part?.querySelector("[data-tools]");
let asked = 0;

function showLives() {
  const longest = Number(select.selectedOptions[0].dataset.longest);
  const lives = [...form.querySelectorAll("[data-seconds]")];
  for (const life of lives) life.disabled = Number(life.dataset.seconds) > longest;
  if (!lives.some((life) => life.checked && life.disabled)) return;
  const last = lives.filter((life) => !life.disabled).at(-1);
  last.checked = true;
  last.dispatchEvent(new Event("change", { bubbles: true }));
}

async function showTools() {
  const question = ++asked;
  const query = new URLSearchParams({ toolkit: select.value });
  const answer = await fetch(`${part.dataset.narrow}?${query}`, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok || question !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  list.replaceChildren(...page.body.childNodes);
}

select?.addEventListener("change", () => {
  showLives();
  showTools();
});
