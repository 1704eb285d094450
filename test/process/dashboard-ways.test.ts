/** The ways in which people use the dashboard: with the keyboard alone, in the dark and in the light, on a phone. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminPassword, firstAdmin } from "../support/api.ts";
import { type Watched, noBrowser, openBrowser, visit } from "../support/browser.ts";
import { Bus } from "../support/bus.ts";
import { ended, go, logIn, send } from "../support/dashboard.ts";

const why = noBrowser();
if (why !== undefined) process.stdout.write(`dashboard-ways.test.ts is skipped: ${why}\n`);

const pages = {
  minions: "Minions",
  run: "Run",
  jobs: "Jobs",
  scripts: "Scripts",
  events: "Events",
  keys: "Keys",
  accounts: "Accounts",
  me: "root",
};
let bus: Bus;
let browser: Browser;
let origin = "";

beforeAll(async () => {
  if (why !== undefined) return;
  bus = await Bus.start({ minions: ["m1", "m2"], master: "api: {enabled: true, port: 0}" });
  await firstAdmin(bus);
  origin = `http://127.0.0.1:${bus.ports["api_port"]}`;
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await bus?.[Symbol.asyncDispose]();
});

async function enter(options: Parameters<typeof visit>[2] = {}): Promise<Watched> {
  const watched = await visit(browser, origin, options);
  await logIn(watched.page, "root", adminPassword);
  await watched.page.getByRole("heading", { name: "Minions" }).waitFor();
  return watched;
}

/** Goes on with Tab until the focus is on what is called so. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  const focused = `(() => {
    const { activeElement: at } = document;
    return (at?.labels?.[0]?.textContent ?? "") + " " + (at?.textContent ?? "") + " " + (at?.getAttribute("aria-label") ?? "");
  })()`;
  for (let n = 0; n < 100; n += 1) {
    await page.keyboard.press("Tab");
    if (name.test(String(await page.evaluate(focused)))) return;
  }
  throw new Error(`Tab does not lead to ${name}`);
}

/** Pairs of colours of text and what is behind it that are hard to tell apart: under 4.5 to 1, the bound of WCAG 2.2, 1.4.3. */
const faint = `(() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((part) => part / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (parts(backgroundColor)[3] !== 0) return backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const found = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim() !== "");
    if (!says || element.closest(":disabled") !== null || element.getClientRects().length === 0) continue;
    const [text, back] = [getComputedStyle(element).color, behind(element)];
    const [less, more] = [light(text), light(back)].toSorted((a, b) => a - b);
    const ratio = (more + 0.05) / (less + 0.05);
    if (ratio < 4.5) found.add(element.tagName + "." + element.className + " " + text + " on " + back + ": " + ratio.toFixed(2));
  }
  return [...found];
})()`;

describe.skipIf(why !== undefined)("the dashboard", () => {
  it("is used with the keyboard alone: a job is sent, and its result looked at", async () => {
    const { page, context, wrong } = await enter();
    await tabTo(page, /^\s*Run\s*$/);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Run" }).waitFor();
    await tabTo(page, /^Target(?! type)/);
    await page.keyboard.type("m*");
    await tabTo(page, /^Function/);
    await page.keyboard.type("test.echo");
    await tabTo(page, /^text/);
    await page.keyboard.type("from the keys");
    await page.getByText("2 minions").waitFor();
    await tabTo(page, /Look at it before it is sent/);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await tabTo(page, /Send to 2/);
    await page.keyboard.press("Enter");
    await ended(page);
    await tabTo(page, /State of each minion/);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Result of m2" }).getByText("from the keys").waitFor();
    // What would do the same elsewhere.
    const lines = page.getByRole("region", { name: "the same on the command line" });
    await lines.getByText("msalt 'm*' test.echo 'from the keys'").waitFor();
    await lines.getByText(/^curl -sS -X POST .*\/jobs/).waitFor();
    expect(wrong).toEqual([]);
    await context.close();
  });

  it.each(["dark", "light"] as const)("can be read in the %s", async (colorScheme) => {
    const { page, context } = await enter({ colorScheme });
    await send(page, { target: "m1", fun: "test.ping" });
    await ended(page);
    expect(["a job", await page.evaluate(faint)]).toEqual(["a job", []]);
    for (const [path, heading] of Object.entries(pages)) {
      await go(page, path, heading);
      expect([path, await page.evaluate(faint)]).toEqual([path, []]);
    }
    const isDark = await page.evaluate("getComputedStyle(document.body).backgroundColor");
    expect(isDark).toBe(colorScheme === "dark" ? "rgb(22, 24, 27)" : "rgb(251, 251, 250)");
    await context.close();
  });

  it("works on a phone: no page is wider than the screen", async () => {
    const phone = await enter({ viewport: { width: 390, height: 800 }, colorScheme: "light" });
    for (const [path, heading] of Object.entries(pages)) {
      await go(phone.page, path, heading);
      const wide = await phone.page.evaluate("document.documentElement.scrollWidth");
      expect([path, wide]).toEqual([path, 390]);
    }
    expect(phone.wrong).toEqual([]);
    await phone.context.close();
  });
});
