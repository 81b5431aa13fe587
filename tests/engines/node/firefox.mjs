// Drives a real Firefox over WebDriver BiDi: one JSON command a line on standard input, one JSON answer a line. Tests.
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const [executablePath, profile] = process.argv.slice(2);
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  headless: true,
  userDataDir: profile,
  acceptInsecureCerts: true,
  defaultViewport: { width: 1100, height: 800 },
});
const tabs = new Map();

const operations = {
  version: () => browser.version(),
  open: async () => {
    const tab = await browser.newPage();
    tabs.set(tabs.size + 1, tab);
    return tabs.size;
  },
  goto: async ({ tab, url }) => void (await tabs.get(tab).goto(url, { waitUntil: "domcontentloaded", timeout: 120_000 })),
  reload: async ({ tab }) => void (await tabs.get(tab).reload({ waitUntil: "domcontentloaded", timeout: 120_000 })),
  evaluate: ({ tab, source, value }) => tabs.get(tab).evaluate(`(${source})(${JSON.stringify(value ?? null)})`),
  screenshot: async ({ tab, path }) => void (await tabs.get(tab).screenshot({ path })),
  close: async ({ tab }) => void (await tabs.get(tab).close()),
};

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const { operation, ...parameters } = JSON.parse(line);
  try {
    answer({ value: (await operations[operation](parameters)) ?? null });
  } catch (error) {
    answer({ error: String(error.stack ?? error) });
  }
}
await browser.close();
