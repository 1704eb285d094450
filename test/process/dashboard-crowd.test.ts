/** The dashboard with a thousand minions: what is in the page is what is in sight, however many there are. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminPassword, firstAdmin } from "../support/api.ts";
import { type Watched, noBrowser, openBrowser, visit } from "../support/browser.ts";
import { Bus } from "../support/bus.ts";
import { ended, go, logIn } from "../support/dashboard.ts";
import { startSwarm } from "../support/swarm.ts";

const why = noBrowser();
if (why !== undefined) process.stdout.write(`dashboard-crowd.test.ts is skipped: ${why}\n`);

const many = 1000;
let bus: Bus;
let browser: Browser;
let admin: Watched;

beforeAll(async () => {
  if (why !== undefined) return;
  bus = await Bus.start({ minions: [], master: "enroll_rate: 1000000\napi: {enabled: true, port: 0}" });
  await startSwarm(bus, many);
  await firstAdmin(bus);
  browser = await openBrowser();
  admin = await visit(browser, `http://127.0.0.1:${bus.ports["api_port"]}`);
  await logIn(admin.page, "root", adminPassword);
}, 300_000);
afterAll(async () => {
  await browser?.close();
  await bus?.[Symbol.asyncDispose]();
});

/** Fewer than a quarter of all there are. */
async function fewRows(page: Page, table: string): Promise<void> {
  expect(await page.getByRole("table", { name: table }).getByRole("row").count()).toBeLessThan(many / 4);
}

describe.skipIf(why !== undefined)("with a thousand minions", () => {
  it("lists them by the rows in sight", async () => {
    const { page } = admin;
    await page.getByText(`${many} minions, ${many} connected`).waitFor({ timeout: 60_000 });
    await fewRows(page, "minions");
    const table = page.getByRole("table", { name: "minions" });
    // More is asked for when the end of what there is comes into sight.
    const atEnd = async (): Promise<boolean> => {
      await table.evaluate((box) => (box.scrollTop = box.scrollHeight));
      return table.getByText("web999", { exact: true }).isVisible();
    };
    await expect.poll(atEnd, { timeout: 60_000 }).toBe(true);
    await fewRows(page, "minions");
  });

  it("sends what changes them only when their number was typed", async () => {
    const { page } = admin;
    await go(page, "run", "Run");
    await page.getByLabel("Target", { exact: true }).fill("*");
    await page.getByLabel("Function").fill("cmd.run");
    await page.getByLabel("cmd", { exact: true }).fill("uptime");
    await page.getByText(`${many} minions`).waitFor();
    await page.getByRole("button", { name: "Look at it before it is sent" }).click();
    const button = page.getByRole("button", { name: `Send to ${many}` });
    const number = page.getByLabel(`This may change ${many} minions`);
    for (const wrong of ["", "999", "all"]) {
      await number.fill(wrong);
      expect(await button.isDisabled()).toBe(true);
    }
    await number.fill(`${many}`);
    await button.click();
    await page.getByRole("heading", { level: 1, name: "cmd.run on *" }).waitFor();
  });

  it("shows their job, each with another answer, by the cells and groups in sight", async () => {
    const { page } = admin;
    await ended(page);
    await page.getByText(`${many} of ${many}`).waitFor();
    await page.getByText(`${many} succeeded`).waitFor();
    const cells = page.getByRole("option");
    const all = await page.locator("*").count();
    process.stdout.write(`the page of a job on ${many} minions: ${await cells.count()} cells, ${all} elements\n`);
    expect(await page.getByRole("region", { name: "results" }).locator("> *").count()).toBeLessThan(many / 4);
    await page.getByText(`Targets (${many})`).click();
    await fewRows(page, "targets");
    await page.getByRole("listbox").focus();
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Result of web999" }).getByText("cmd.run on web999, not").waitFor();
    expect(admin.wrong).toEqual([]);
  });

  it("fills one page from a thousand answers with few requests", async () => {
    const { page } = admin;
    let asked = 0;
    page.on("request", () => (asked += 1));
    await go(page, "run?tgt=*&fun=test.ping", "Run");
    await page.getByLabel("Function").fill("test.ping");
    await page.getByText(`${many} minions`).waitFor();
    await page.getByRole("button", { name: "Look at it before it is sent" }).click();
    await page.getByRole("button", { name: `Send to ${many}` }).click();
    await ended(page);
    await page.getByRole("region", { name: "results" }).getByText(`web[1-${many}]`).waitFor();
    expect(asked).toBeLessThan(50);
  });
});
