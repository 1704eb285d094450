/** A real browser without a window, and pages that are watched: nothing may leave for elsewhere, nothing may run that is not ours. */
import { existsSync } from "node:fs";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";

const executablePath = "/usr/bin/chromium";

/** Why no page can be opened here; undefined when one can, and under CI, where it must. */
export function noBrowser(): string | undefined {
  if (existsSync(executablePath) || process.env["CI"] !== undefined) return undefined;
  return `${executablePath} is not there: apt-get install chromium`;
}

export function openBrowser(): Promise<Browser> {
  // Root has no sandbox; what is looked at is our own page.
  return chromium.launch({ executablePath, timeout: 60_000, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

export interface Watched {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What should not have happened: requests to elsewhere, dialogs, errors of scripts, refusals by the page's own policy. */
  readonly wrong: readonly string[];
}

/** A new visitor of `origin`. */
export async function visit(
  browser: Browser,
  origin: string,
  options: Parameters<Browser["newContext"]>[0] = {},
): Promise<Watched> {
  const context = await browser.newContext({ baseURL: origin, viewport: { width: 1200, height: 800 }, ...options });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith("data:")) wrong.push(`request to ${url}`);
  });
  page.on("dialog", (dialog) => {
    wrong.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => wrong.push(`error ${error.message}`));
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) wrong.push(message.text());
  });
  await page.goto("/");
  return { context, page, wrong };
}
