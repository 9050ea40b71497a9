// Says what a test found, in the words of a <template data-verdict-of>; what the server said stays text.
export function show(place, kind, facts) {
  const words = document.querySelector(`template[data-verdict-of="${kind}"]`).content.cloneNode(true);
  for (const gap of words.querySelectorAll("[data-fill]")) gap.textContent = facts[gap.dataset.fill] ?? gap.dataset.otherwise ?? "";
  place.replaceChildren(words);
}

const moment = (text) => {
  const at = new Date(text);
  return Number.isNaN(at.valueOf()) ? null : at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
};

export function ofAnswer(answer, facts) {
  if (!answer.said) return ["strange", { ...facts, status: answer.status }];
  if (answer.said.error) return ["refused", { ...facts, status: answer.status, message: answer.said.error.message }];
  const tools = answer.said.result.tools;
  return ["ok", {
    ...facts,
    tools: tools.length,
    ms: Math.round(answer.ms),
    ends: moment(answer.ends),
    context: Math.ceil(JSON.stringify(tools).length / 4).toLocaleString(document.documentElement.lang),
  }];
}
