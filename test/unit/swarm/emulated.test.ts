import { describe, expect, it } from "vitest";
import { builtins } from "../../../src/modules/registry.ts";
import { runFunction } from "../../../src/modules/run.ts";
import { type Behaviour, emulated } from "../../../src/swarm/emulated.ts";
import { fakeHost } from "../../support/host.ts";

const quick: Behaviour = { thinkMs: [0, 0], failRate: 0 };
const run = (fun: string, arg: unknown[] = [], behaviour: Partial<Behaviour> = {}, signal?: AbortSignal) =>
  runFunction(
    emulated(builtins, { ...quick, ...behaviour }),
    { fun, arg },
    fakeHost({
      ...(signal !== undefined && { signal }),
      command: () => {
        throw new Error("a command was run");
      },
    }),
  );

describe("emulated", () => {
  it("runs what is without effects", async () => {
    expect(await run("test.ping")).toMatchObject({ value: true, success: true });
    expect(await run("test.retcode", [7])).toMatchObject({ retcode: 7, success: false });
  });

  it("answers for what has effects with a text, and touches nothing", async () => {
    const { value, success } = await run("cmd.run", ["rm -rf /"]);
    expect([success, value]).toEqual([true, expect.stringMatching(/^cmd\.run on m1, not really run$/)]);
  });

  it("still refuses wrong arguments", async () => {
    expect(await run("cmd.run", [])).toMatchObject({ success: false });
  });

  it.each([0, 1, 10, 65_536])("answers with %d bytes when told so", async (outputBytes) => {
    expect((await run("cmd.run", ["x"], { outputBytes })).value).toHaveLength(outputBytes);
  });

  it("fails as often as it is told", async () => {
    expect(await run("test.ping", [], { failRate: 1 })).toMatchObject({ success: false, retcode: 1, state: "failed" });
    expect(await run("sys.list_modules", [], { failRate: 1 })).toMatchObject({ success: true });
  });

  it("takes its time, and ends when it is killed meanwhile", async () => {
    const abort = new AbortController();
    const running = run("test.ping", [], { thinkMs: [3_600_000, 3_600_000] }, abort.signal);
    abort.abort("SIGTERM");
    expect(await running).toMatchObject({ success: false, state: "killed" });
  });
});
