/** Makes the pictures of docs/dashboard.md anew: `npm run pictures`. */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { adminPassword as password, firstAdmin } from "../support/api.ts";
import { openBrowser, visit } from "../support/browser.ts";
import { Bus } from "../support/bus.ts";
import { Proc } from "../support/proc.ts";

const folder = process.env["MSALT_PICTURES"];
const maxBytes = 100_000;

it.skipIf(folder === undefined)("shows every page", { timeout: 180_000 }, async () => {
  const to = folder ?? "";
  mkdirSync(to, { recursive: true });
  await using bus = await Bus.start({
    minions: ["db1", "db2"],
    autoAccept: false,
    master: "api: {enabled: true, port: 0}\nenroll_rate: 6000",
  });
  const { publish_port, ret_port, enroll_port, api_port } = bus.ports;
  const { stdout: token } = await bus.key("--token", "--uses", "200");
  const ports = [`--publish-port=${publish_port}`, `--master-port=${ret_port}`, `--enroll-port=${enroll_port}`];
  const like = [
    "--minions",
    "200",
    "--id",
    "web{n}",
    "--grain",
    "rack=r{n%4}",
    "--think",
    "0.2-3",
    "--fail-rate",
    "0.02",
  ];
  const swarm = bus.track(
    new Proc("msalt-swarm", [
      "--master",
      "127.0.0.1",
      ...ports,
      "--root-dir",
      bus.minionRoot("swarm"),
      ...like,
      "--token",
      token.trim(),
    ]),
  );
  await swarm.says("msalt-swarm ready minions=200", 60_000);
  const origin = `http://127.0.0.1:${api_port}`;
  const browser = await openBrowser();
  const { page } = await visit(browser, origin, { viewport: { width: 1200, height: 600 }, colorScheme: "dark" });
  const take = async (name: string, of: Page = page): Promise<void> => {
    await of.waitForTimeout(300);
    const path = join(to, `${name}.png`);
    await of.screenshot({ path });
    expect([name, statSync(path).size < maxBytes]).toEqual([name, true]);
  };
  const go = async (path: string, of: Page = page): Promise<void> => {
    await of.goto(`${origin}/#/${path}`);
    await of.getByRole("heading", { level: 1 }).waitFor();
    await of.waitForLoadState("networkidle").catch(() => undefined);
  };
  const enter = async (of: Page): Promise<void> => {
    await of.getByLabel("Name").fill("root");
    await of.getByLabel("Password").fill(password);
    await of.getByRole("button", { name: "Log in" }).click();
    await of.getByRole("heading", { name: "Minions" }).waitFor();
  };

  await page.goto(/http:\S+\/setup#\S+/.exec(bus.master?.stdout ?? "")?.[0] ?? "");
  await page.getByLabel("Name").waitFor();
  await take("setup");
  const api = await firstAdmin(bus);
  await page.goto(`${origin}/`);
  await page.getByRole("button", { name: "Log in" }).waitFor();
  await page.setViewportSize({ width: 1200, height: 300 });
  await take("login");
  await page.setViewportSize({ width: 1200, height: 600 });
  await enter(page);
  await page.getByText("200 connected").waitFor();
  await take("minions");
  await go("minions/web1");
  await page.setViewportSize({ width: 1200, height: 345 });
  await take("minion");
  await page.setViewportSize({ width: 1200, height: 600 });
  await go("keys");
  await page.getByRole("heading", { name: "Waiting to be accepted (2)" }).waitFor();
  await take("keys");

  await go("events");
  await page.getByText("live").waitFor();
  await api.get("POST", "/jobs", { tgt: "web[1-5]", fun: "test.ping" });
  await api.get("POST", "/jobs", { tgt: "web1*", fun: "cmd.run", arg: ["uptime"] });
  await page
    .getByRole("button", { name: /^salt\/job\/.*\/ret\/web/ })
    .first()
    .click();
  await take("events");

  await page.setViewportSize({ width: 1200, height: 680 });
  await go("run");
  await page.getByLabel("Target", { exact: true }).fill("G@rack:r1 and not web5");
  await page.getByLabel("Target type").selectOption("compound");
  await page.getByLabel("Function").fill("cmd.run");
  await page.getByLabel("cmd", { exact: true }).fill("systemctl restart 'nginx@*' && nginx -t");
  await page.getByText("Batches, limits, time").click();
  await page.getByLabel("At most so many at once").fill("10%");
  await page.waitForTimeout(600);
  await take("run");
  await page.getByRole("button", { name: "Look at it" }).click();
  await page.setViewportSize({ width: 1200, height: 520 });
  await take("review");

  await page.setViewportSize({ width: 1200, height: 800 });
  const { jid } = await api.get("POST", "/jobs", {
    tgt: "web*",
    fun: "grains.item",
    arg: ["rack", "os"],
    parallel: 40,
  });
  await go(`jobs/${String(jid)}`);
  await page.getByText(/^1\d\d succeeded/).waitFor();
  await take("job-running");
  await page.getByText("Ended.").waitFor({ timeout: 60_000 });
  await page.locator("summary").nth(1).click();
  await take("job");
  const phone = await visit(browser, origin, { viewport: { width: 390, height: 844 }, colorScheme: "light" });
  await enter(phone.page);
  await go(`jobs/${String(jid)}`, phone.page);
  await phone.page.getByText("Ended.").waitFor();
  await take("phone", phone.page);

  await page.setViewportSize({ width: 1200, height: 600 });
  await page.emulateMedia({ colorScheme: "light" });
  await go("jobs");
  await page.getByText("grains.item").waitFor();
  await take("jobs");
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const script = "#!/bin/sh\nset -eu\nfind /var/tmp -mtime +30 -delete\n";
  await api.get("POST", "/scripts", { name: "tidy", script: base64(script), comment: "old files" });
  await api.get("PUT", "/scripts/tidy", {
    script: base64(script.replace("30", "14")),
    comment: "two weeks are enough",
  });
  await go("scripts/tidy");
  await page.getByLabel("Compare it with").selectOption("version 1");
  await page.getByLabel("difference").waitFor();
  await take("scripts");
  await go("run?script=tidy");
  await page.waitForTimeout(600);
  await take("run-script");
  const rules = ["test.*", { "web*": ["service.restart", { "cmd.run": { args: ["uptime$"] } }] }];
  await api.get("POST", "/users", { name: "ann", password: "password of ann", role: "user", rules });
  await api.get("POST", "/tokens", { name: "deploy", scopes: ["read", "run"], expires_in: 2_592_000 });
  await go("accounts");
  await page.getByRole("button", { name: "ann" }).click();
  await take("accounts");
  await page.keyboard.press("Escape");
  await go("me");
  await take("me");
  await browser.close();
});
