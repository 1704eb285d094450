/** The dashboard as people use it: in a real browser, against a real master with real minions. */
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiClient, ApiClient as Client, adminPassword } from "../support/api.ts";
import { type Watched, noBrowser, openBrowser, visit } from "../support/browser.ts";
import { Bus } from "../support/bus.ts";
import { ended, go, jidOf, logIn, send } from "../support/dashboard.ts";

const why = noBrowser();
if (why !== undefined) process.stdout.write(`dashboard.test.ts is skipped: ${why}\n`);

const folder = mkdtempSync(join(tmpdir(), "msalt-dashboard-"));
let bus: Bus;
let browser: Browser;
let origin = "";
let admin: Watched;
/** Another site: what it serves, and what it is asked for. */
let elsewhere: Server;
let elsewhereUrl = "";
const askedElsewhere: string[] = [];
let foreignPage = "";

beforeAll(async () => {
  if (why !== undefined) return;
  elsewhere = createServer((request, answer) => {
    askedElsewhere.push(request.url ?? "");
    answer.setHeader("content-type", "text/html").end(foreignPage);
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  elsewhereUrl = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  bus = await Bus.start({
    minions: ["m1", "m2", "m3"],
    autoAccept: false,
    master: "api: {enabled: true, port: 0}",
    minion: `grains: {motd: '${hostile("grain")}'}`,
  });
  origin = `http://127.0.0.1:${bus.ports["api_port"]}`;
  browser = await openBrowser();
  admin = await visit(browser, origin);
});
afterAll(async () => {
  await browser?.close();
  elsewhere?.close();
  await bus?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Text that would ask `elsewhere` for something, or say something, wherever it were taken for more than text. */
function hostile(name: string): string {
  return `<img src="${elsewhereUrl}/${name}" onerror="alert(1)"><script>alert("${name}")</script>`;
}

describe.skipIf(why !== undefined)("the dashboard", () => {
  it("makes the first account from the link, and lets nobody in without a password", async () => {
    const { page } = admin;
    await page.getByRole("button", { name: "Log in" }).waitFor();
    await page.goto(/http:\S+\/setup#\S+/.exec(bus.master?.stdout ?? "")?.[0] ?? "");
    await page.getByLabel("Name").fill("root");
    await page.getByLabel("Password", { exact: true }).fill(adminPassword);
    await page.getByLabel("Password again").fill("something else");
    await page.getByText("the passwords differ").waitFor();
    await page.getByLabel("Password again").fill(adminPassword);
    await page.getByRole("button", { name: "Make the account" }).click();
    await page.getByRole("heading", { name: "Minions" }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await logIn(page, "root", "not the password");
    await page.getByRole("alert").filter({ hasText: "ERR_NOT_LOGGED_IN" }).waitFor();
    await logIn(page, "root", adminPassword);
    await page.getByRole("heading", { name: "Minions" }).waitFor();
    // A page that is loaded anew finds its session.
    await page.reload();
    await page.getByRole("heading", { name: "Minions" }).waitFor();
  });

  it("accepts keys by their fingerprints, and the minions come", async () => {
    const { page } = admin;
    await go(page, "keys", "Keys");
    // As the minion says of itself.
    const said = /waits to be accepted.*?((?:[0-9a-f]{2}:){31}[0-9a-f]{2})/;
    await bus.minion("m1").says(said);
    const { stdout, stderr } = bus.minion("m1");
    const [, fingerprint = "none"] = said.exec(stdout + stderr) ?? [];
    await page.getByRole("table", { name: "Waiting to be accepted" }).getByText(fingerprint).waitFor();
    await page.getByRole("button", { name: "accept m1" }).click();
    await page.getByRole("dialog").getByText(fingerprint).waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "accept" }).click();
    await page.getByRole("heading", { name: "Waiting to be accepted (2)" }).waitFor();
    await page.getByRole("button", { name: "Choose all" }).first().click();
    await page.getByRole("button", { name: "accept 2 chosen" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "accept" }).click();
    await page.getByRole("heading", { name: "Waiting to be accepted (0)" }).waitFor();
    await go(page, "minions", "Minions");
    await page.getByText("3 minions, 3 connected").waitFor();
  });

  it("runs a job on three minions, and its page fills to the end", async () => {
    const { page } = admin;
    const cmd = `echo begun; until [ -e ${folder}/go ]; do sleep 0.1; done; echo "it's done"`;
    await send(page, { fun: "cmd.run", fields: { cmd } });
    await page.getByText("3 running").waitFor();
    expect(await page.getByRole("option", { name: /^m[123]: running$/ }).count()).toBe(3);
    await page.getByText(/msalt '\*' cmd\.run 'echo begun.*it'\\''s done"'/).waitFor();
    await page.getByRole("option", { name: "m2: running" }).click();
    await page.getByLabel("live output of m2").getByText("begun").waitFor();
    expect((await bus.msalt("m1", "file.touch", `${folder}/go`)).code).toBe(0);
    await ended(page);
    await page.getByText("3 succeeded").waitFor();
    const results = page.getByRole("region", { name: "results" });
    await results.getByText("m[1-3]").waitFor();
    await results.getByText("it's done").waitFor();
    await page.getByRole("listbox").focus();
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Result of m3" }).getByText("it's done").waitFor();
    await go(page, "jobs", "Jobs");
    await page.getByLabel("Function").fill("cmd.r*");
    await page.getByRole("link", { name: /^cmd\.run on \*/ }).click();
    await ended(page);
  });

  it("kills a job that runs", async () => {
    const { page } = admin;
    await send(page, { target: "m2", fun: "cmd.run", fields: { cmd: "sleep 600" } });
    await page.getByText("1 running").waitFor();
    await page.getByRole("button", { name: "Stop or kill" }).click();
    await page.getByRole("button", { name: "Kill what runs" }).click();
    await ended(page);
    await page.getByText("killed by api:root").waitFor();
    expect(await page.getByRole("option").getAttribute("aria-label")).toBe("m2: killed");
  });

  it("runs again on the failed ones, and on them alone", async () => {
    const { page } = admin;
    await send(page, { fun: "cmd.run", fields: { cmd: `mkdir ${folder}/first-come` } });
    await ended(page);
    await page.getByText("2 failed").waitFor();
    const first = jidOf(page);
    const before = Object.entries(await bus.lookup(first));
    const failed = before.filter(([, said]) => JSON.stringify(said).includes("exists")).map(([id]) => id);
    expect([before.length, failed.length]).toEqual([3, 2]);
    await page.getByRole("link", { name: "Run again on the failed ones (2)" }).click();
    await page.getByText("2 minions").waitFor();
    const field = page.getByLabel("cmd", { exact: true });
    await expect.poll(() => field.inputValue(), { timeout: 60_000 }).toBe(`mkdir ${folder}/first-come`);
    await field.fill("true");
    await page.getByRole("button", { name: "Look at it before it is sent" }).click();
    await page.getByRole("button", { name: "Send to 2" }).click();
    await ended(page);
    await page.getByText("2 of 2").waitFor();
    expect(Object.keys(await bus.lookup(jidOf(page))).toSorted()).toEqual(failed.toSorted());
  });

  it("runs a script, keeps its versions and runs one of them again", async () => {
    const { page } = admin;
    await go(page, "scripts", "Scripts");
    await page.getByLabel("Name").fill("greet");
    await page.getByRole("textbox", { name: "Script" }).fill("#!/bin/sh\necho one $1\n");
    await page.getByLabel("Comment").fill(hostile("comment"));
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "greet" }).waitFor();
    await page.getByRole("textbox", { name: "Script" }).fill("#!/bin/sh\necho two\n");
    await page.getByRole("button", { name: "Save as a new version" }).click();
    await page.getByLabel("Compare it with").selectOption("version 1");
    await page.getByLabel("difference").getByText("-echo one $1").waitFor();
    await page.getByRole("link", { name: "run version 1" }).click();
    await page.getByLabel("Target", { exact: true }).fill("m1");
    await page.getByLabel("Arguments").fill("and only");
    await page.getByText("1 minion").waitFor();
    await page.getByRole("button", { name: "Look at it before it is sent" }).click();
    await page.getByRole("button", { name: "Send to 1" }).click();
    await ended(page);
    await page.getByRole("region", { name: "results" }).getByText("one and only").waitFor();
  });

  it("AP-09: shows hostile text as text, wherever it comes from, and asks nobody else for anything", async () => {
    const { page } = admin;
    const text = hostile("output");
    await send(page, {
      target: "m1",
      fun: "cmd.run",
      fields: { cmd: `printf '%s\\n\\033[31m\\342\\200\\256' '${text}'` },
    });
    await ended(page);
    await page.getByRole("region", { name: "results" }).getByText(text).first().waitFor();
    expect(await page.locator("main").innerText()).not.toMatch(/[\u001b\u202e]/);
    // A target expression, a function and metadata are text of whoever made the job.
    const target = `m1,${hostile("target")}`;
    const jid = await bus.submit(
      "-L",
      target.replaceAll(" ", ""),
      "test.ping",
      "--metadata",
      `{a: '${hostile("metadata")}'}`,
    );
    await go(page, `jobs/${jid}`, /test\.ping on m1,<img/);
    await go(page, "jobs", "Jobs");
    await page.getByText("m1,<imgsrc=").waitFor();
    await bus.submit("m1", hostile("function").replaceAll(" ", ""));
    await go(page, "minions/m1", "m1");
    await page.getByText(hostile("grain")).waitFor();
    await go(page, "scripts/greet", "greet");
    await page.getByText(hostile("comment")).waitFor();
    await go(page, "events", "Events");
    await page.getByText("live").waitFor();
    expect((await bus.run("event.send", `salt/${hostile("tag")}`, `{x: '${hostile("event")}'}`)).code).toBe(0);
    await page.getByRole("button", { name: /^salt\/<img/ }).click();
    await page.getByLabel("data").getByText(hostile("event")).waitFor();
    expect(await page.locator("img, script:not([src]), iframe, [onerror]").count()).toBe(0);
    expect([admin.wrong, askedElsewhere]).toEqual([[], []]);
  });

  it("says clearly what another account may not do", async () => {
    const { page } = admin;
    await go(page, "accounts", "Accounts");
    await page.getByRole("button", { name: "Make an account" }).click();
    await page.getByLabel("Name").fill("ann");
    await page.getByLabel("Password").fill("password of ann");
    await page.getByLabel("Rules").fill('["test.*"]');
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "ann" }).waitFor();

    const ann = await visit(browser, origin);
    await logIn(ann.page, "ann", "password of ann");
    await ann.page.getByRole("heading", { name: "Minions" }).waitFor();
    expect(await ann.page.getByRole("link", { name: "Keys" }).count()).toBe(0);
    await send(ann.page, { target: "m1", fun: "cmd.run", fields: { cmd: "id" } });
    const alert = ann.page.getByRole("alert");
    await alert.filter({ hasText: "Not allowed: user api:ann is not allowed to run cmd.run" }).waitFor();
    await ann.page.keyboard.press("Escape");
    await go(ann.page, "keys", "Keys");
    await alert.filter({ hasText: "Not allowed" }).waitFor();
    await send(ann.page, { target: "m1", fun: "test.ping" });
    await ended(ann.page);
    // Jobs of others are not there for her.
    await go(ann.page, "jobs", "Jobs");
    await ann.page.getByText("test.ping").waitFor();
    expect(await ann.page.getByText("cmd.run").count()).toBe(0);
    await ann.context.close();
  });

  it("asks for the password again when the session is over, and then goes on where one was", async () => {
    const guest = await visit(browser, origin);
    await logIn(guest.page, "root", adminPassword);
    await guest.page.getByRole("heading", { name: "Minions" }).waitFor();
    await guest.context.clearCookies();
    // By its address: links are gone as soon as any request of the page has noticed.
    await guest.page.goto("/#/scripts");
    await guest.page.getByRole("button", { name: "Log in" }).waitFor();
    await logIn(guest.page, "root", adminPassword);
    await guest.page.getByRole("heading", { name: "Scripts" }).waitFor();
    await guest.context.close();
  });

  it("AP-08: takes no orders from a page of another origin, and is shown in none", async () => {
    const { context } = admin;
    const api: ApiClient = new Client(bus.ports["api_port"] ?? 0);
    await api.logIn("/login", { name: "root", password: adminPassword });
    const before = await api.get("GET", "/jobs?limit=1");
    const order = JSON.stringify({ tgt: "*", fun: "cmd.run", arg: ["id"] });
    foreignPage = `<iframe src="${origin}/"></iframe><iframe name="to"></iframe>
      <form method="post" enctype="text/plain" action="${origin}/jobs" target="to">
        <input name='${order.slice(0, -1)},"a":"' value='"}'>
      </form>
      <script>
        const ask = (path, more) => fetch("${origin}" + path, { credentials: "include", ...more });
        const order = (type) => ask("/jobs", { method: "POST", headers: { "content-type": type }, body: '${order}' });
        const tries = Promise.allSettled([order("application/json"), order("text/plain"), ask("/session")]);
        const outcomes = tries.then((all) => all.map(({ status }) => status));
        document.forms[0].submit();
      </script>`;
    // The same site for cookies, which know no port: only the origin tells the two apart.
    const foreign = await context.newPage();
    const refused: [string, number][] = [];
    foreign.on("response", (answer) => {
      if (answer.url().startsWith(origin)) refused.push([answer.request().method(), answer.status()]);
    });
    await foreign.goto(elsewhereUrl);
    expect(await foreign.evaluate("outcomes")).toEqual(["rejected", "rejected", "rejected"]);
    // Of the form; the browser tells nobody how the others were answered.
    await expect
      .poll(() => refused.filter(([method]) => method === "POST"), { timeout: 60_000 })
      .toEqual([["POST", 403]]);
    const [, shown] = foreign.frames();
    expect(await shown?.evaluate('document.querySelector("#app")')).toBeNull();
    expect((await api.get("GET", "/jobs?limit=1"))["jobs"]).toEqual(before["jobs"]);
    await foreign.close();
  });

  it("has run nothing that is not its own", () => {
    // What the page of the other site is itself.
    const others = askedElsewhere.filter((path) => path !== "/" && path !== "/favicon.ico");
    expect([admin.wrong, others]).toEqual([[], []]);
  });
});
