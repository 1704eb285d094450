import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bus } from "../support/bus.ts";
import { Proc, type Result, until } from "../support/proc.ts";

let bus: Bus;
const own = (): string => join(bus.masterRoot, "srv/salt/_modules");
beforeAll(async () => {
  bus = await Bus.start({ minions: ["m1"] });
  mkdirSync(own(), { recursive: true });
});
afterAll(() => bus[Symbol.asyncDispose]());

const call = (...words: string[]): Promise<Result> =>
  bus.track(new Proc("msalt-call", ["--root-dir", bus.minionRoot("m1"), ...words])).exit;
const one = async (...words: string[]): Promise<unknown> =>
  (JSON.parse((await bus.msalt("m1", ...words, "--out=json")).stdout) as Record<string, unknown>)["m1"];

describe("msalt-call", () => {
  it("runs a function in the running minion", async () => {
    expect(await call("grains.get", "id")).toMatchObject({ code: 0, stdout: "local:\n    m1\n", stderr: "" });
    expect(await call("cmd.run", "echo out; exit 3")).toMatchObject({ code: 1, stdout: "local:\n    out\n" });
    expect((await call("cmd.run", "exit 3", "--retcode-passthrough")).code).toBe(3);
    expect((await call("test.ping,test.echo", ",", "hi", "--out=json")).stdout).toContain('"test.echo": "hi"');
    expect((await call("test.pnig")).stdout).toContain("Did you mean test.ping?");
    expect((await call("-d", "test.ping")).stdout).toMatch(/^test\.ping:\n\n/);
    expect((await call()).code).toBe(64);
  });

  it("ends the run when its user goes away", async () => {
    const tool = bus.track(
      new Proc("msalt-call", [
        "--root-dir",
        bus.minionRoot("m1"),
        "cmd.run",
        `touch ${bus.root}/began; exec sleep 98989`,
      ]),
    );
    await until("it runs", () => readdirSync(bus.root).includes("began"));
    tool.child.kill("SIGINT");
    await tool.exit;
    await until(
      "the command is gone",
      async () => String(await one("cmd.run", "pgrep -f 'sleep 9898[9]' || echo none")) === "none",
    );
  });

  it("is for the minion's user alone", () => {
    const data = join(bus.minionRoot("m1"), "var/lib/msalt/minion");
    expect(statSync(data).mode & 0o077).toBe(0);
    expect(statSync(join(data, "call.sock")).mode & 0o777).toBe(0o600);
  });

  it("--local needs neither minion nor master; without a minion the other way says so", async () => {
    const root = join(bus.root, "nobody");
    mkdirSync(join(root, "etc/msalt"), { recursive: true });
    writeFileSync(join(root, "etc/msalt/minion"), "id: alone\n");
    writeFileSync(join(bus.root, "served"), "served");
    const alone = (...words: string[]): Promise<Result> =>
      bus.track(new Proc("msalt-call", ["--root-dir", root, ...words])).exit;
    expect(await alone("--local", "grains.get", "id")).toMatchObject({ code: 0, stdout: "local:\n    alone\n" });
    expect((await alone("--local", `--file-root=${bus.root}`, "cp.get_file_str", "salt://served")).stdout).toContain(
      "served",
    );
    expect((await alone("--local", "cp.get_file_str", "salt://served")).stdout).toContain(
      "there is no master with --local",
    );
    const { code, stderr } = await alone("test.ping");
    expect(code).toBe(2);
    expect(stderr).toContain("no minion runs here");
  });
});

describe("modules of the operator's own", () => {
  const typed = `
    import type { Tools } from "anywhere";
    interface Args { readonly name: string; readonly loud: boolean }
    export default ({ declare, z, MsaltError }: Tools) => [
      declare({
        name: "app.greet",
        summary: "Greet somebody.",
        params: z.strictObject({ name: z.string(), loud: z.boolean().default(false) }),
        effects: "none",
        run: async ({ name, loud }: Args, host: { id: string }) => {
          if (name === "") throw new MsaltError("ERR_FUNCTION_ARGS", "who?");
          return (loud ? "HELLO " : "hello ") + name + " from " + host.id;
        },
      }),
    ];`;

  it("come by sync_modules, are typed like the built-in ones, and are there after a restart", async () => {
    writeFileSync(join(own(), "app.ts"), typed);
    expect(await one("saltutil.sync_modules")).toEqual(["modules.app"]);
    expect(await one("app.greet", "16:34", "loud=true")).toBe("HELLO 16:34 from m1");
    expect(await one("app.greet", "")).toBe("ERROR: who?");
    expect(await one("app.greet")).toContain("missing 1 required positional argument: 'name'");
    expect(await one("sys.doc", "app.greet")).toMatchObject({
      "app.greet": expect.stringContaining("Greet somebody.") as string,
    });
    expect(await one("saltutil.sync_modules")).toEqual([]);
    await bus.minion("m1").stop();
    await bus.startMinion("m1");
    expect(await one("app.greet", "you")).toBe("hello you from m1");
    expect((await call("--local", "app.greet", "me")).stdout).toBe("local:\n    hello me from m1\n");
  });

  it("a change is loaded, a broken one is named and spares the others, one that went is gone", async () => {
    writeFileSync(join(own(), "app.ts"), typed.replace("hello ", "good day "));
    writeFileSync(join(own(), "broken.js"), "export default () => [{ name: 'broken.x' }]");
    writeFileSync(join(own(), "torn.js"), "export default (");
    const said = JSON.stringify(await one("saltutil.sync_modules"));
    expect(said).toContain("broken.js: broken.x has no summary");
    expect(said).toContain("torn.js: ");
    expect(await one("app.greet", "you")).toBe("good day you from m1");
    for (const name of readdirSync(own())) rmSync(join(own(), name));
    expect(await one("saltutil.sync_modules")).toEqual(["modules.app", "modules.broken", "modules.torn"]);
    expect(await one("app.greet", "you")).toContain("'app.greet' is not available");
  });
});
