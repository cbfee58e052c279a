// Measures pages with Lighthouse: node run.mjs BASE COOKIE PATH… Each page must reach the score in all categories.
// CHROMIUM names the browser. Prints one line a page; exits with 1 when one of them is below.
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const least = 0.95;
const categories = ["performance", "accessibility", "best-practices"];
const [base, cookie, ...paths] = process.argv.slice(2);
const chrome = await launch({ chromePath: process.env.CHROMIUM || "/usr/bin/chromium", chromeFlags: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"] });
let bad = 0;
try {
  for (const path of paths) {
    const options = { port: chrome.port, onlyCategories: categories, extraHeaders: { Cookie: cookie }, logLevel: "error" };
    const { lhr } = await lighthouse(base + path, options, desktopConfig);
    const scores = categories.map((c) => lhr.categories[c].score);
    const weight = Math.round(lhr.audits["total-byte-weight"].numericValue / 1024);
    const answer = Math.round(lhr.audits["server-response-time"].numericValue);
    const paint = Math.round(lhr.audits["first-contentful-paint"].numericValue);
    console.log(`${path}: ${categories.map((c, i) => `${c} ${Math.round(scores[i] * 100)}`).join(", ")}; ${weight} KiB, answered in ${answer} ms, painted in ${paint} ms`);
    for (const c of categories) {
      for (const ref of lhr.categories[c].auditRefs) {
        const a = lhr.audits[ref.id];
        if (ref.weight > 0 && a.score !== null && a.score < 0.9) console.log(`  ${c}: ${a.title} (${a.score}) ${a.displayValue || ""}`);
      }
    }
    if (scores.some((s) => s < least)) bad = 1;
  }
} finally {
  await chrome.kill();
}
process.exit(bad);
