// Asks Lighthouse for each page of the request (JSON on standard input), and answers with one line of JSON a look.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const require = createRequire(process.cwd() + "/");
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { default: lighthouse } = await load("lighthouse");
const { launch } = await load("chrome-launcher");
const { default: puppeteer } = await load("puppeteer-core");

const asked = JSON.parse(await text(process.stdin));
const chrome = await launch({
  chromePath: asked.chromium,
  chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
try {
  const browser = await puppeteer.connect({ browserURL: `http://127.0.0.1:${chrome.port}` });
  await browser.setCookie(...asked.cookies);
  for (const url of asked.urls) {
    const options = {
      port: chrome.port,
      output: "json",
      logLevel: "silent",
      onlyCategories: asked.categories,
      formFactor: "mobile",
      disableStorageReset: true,
    };
    let { lhr } = await lighthouse(url, options);
    if (lhr.runtimeError) ({ lhr } = await lighthouse(url, options)); // a busy machine lost the trace: "run it again"
    console.log(JSON.stringify({ url, final: lhr.finalDisplayedUrl, error: lhr.runtimeError?.message, ...figures(lhr) }));
  }
  await browser.disconnect();
} finally {
  chrome.kill();
}

function figures({ categories, audits }) {
  const lost = Object.values(categories).flatMap(({ id, auditRefs }) =>
    auditRefs
      .filter((ref) => ref.weight > 0 && audits[ref.id].score !== null && audits[ref.id].score < 1)
      .map((ref) => `${id}: ${audits[ref.id].title}`),
  );
  const scores = Object.fromEntries(Object.values(categories).map(({ id, score }) => [id, Math.round(score * 100)]));
  return { scores, lost, lcp: audits["largest-contentful-paint"]?.numericValue };
}
