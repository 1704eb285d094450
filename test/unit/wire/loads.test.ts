import { describe, expect, it } from "vitest";
import { isCommand, parseLoad } from "../../../src/wire/loads.ts";

const jid = "20261121020634330961";
const good = {
  cmd: "job.return",
  jid,
  fun: "test.ping",
  retcode: 0,
  success: true,
  state: "succeeded",
  total: 1,
  offset: 0,
  sha256: new Uint8Array(32),
  data: Uint8Array.of(0xc3),
};

describe("parseLoad", () => {
  it("takes a good load as it is", () => {
    expect(parseLoad("job.return", good)).toEqual(good);
  });

  it.each([
    ["a field it does not know", { ...good, extra: 1 }, "extra"],
    ["AZ-01: a minion id, which only the box may give", { ...good, id: "web1" }, "id"],
    ["AZ-01: a minion", { ...good, minion: "web1" }, "minion"],
    ["AZ-01: a user", { ...good, user: "root" }, "user"],
    ["FA-05: a short jid", { ...good, jid: "2026" }, "jid"],
    ["FA-05: a jid that is a path", { ...good, jid: "../../../../etc/pass" }, "jid"],
    ["FA-05: a jid that is a number", { ...good, jid: 20261121020634 }, "jid"],
    ["a negative retcode", { ...good, retcode: -1 }, "retcode"],
    ["a retcode over 255", { ...good, retcode: 256 }, "retcode"],
    ["NaN", { ...good, retcode: Number.NaN }, "retcode"],
    ["an unknown state", { ...good, state: "expired" }, "state"],
    ["a short hash", { ...good, sha256: new Uint8Array(31) }, "sha256"],
    ["data that is text", { ...good, data: "x" }, "data"],
    ["a total over the limit", { ...good, total: 9 * 1_048_576 }, "total"],
    ["null for a field", { ...good, fun: null }, "fun"],
  ])("EN-10: refuses %s and names it, and quotes nothing", (_case, load, named) => {
    expect(() => parseLoad("job.return", load)).toThrow(
      expect.objectContaining({ code: "ERR_WIRE_INVALID", message: expect.stringContaining(named) }),
    );
  });

  it.each(Object.keys(good).filter((key) => key !== "cmd"))("EN-10: refuses a return without %s", (key) => {
    const { [key as keyof typeof good]: _, ...rest } = good;
    expect(() => parseLoad("job.return", rest)).toThrow(expect.objectContaining({ code: "ERR_WIRE_INVALID" }));
  });
});

describe("isCommand", () => {
  it.each([
    "publish",
    "key.accept",
    "runner",
    "constructor",
    "__proto__",
    "toString",
    "hasOwnProperty",
    "",
    "HELLO",
    "job",
  ])("AZ-03: %s is no command of a minion", (name) => expect(isCommand(name)).toBe(false));
  it("knows those of the protocol", () => {
    expect(["hello", "sync", "job.start", "job.return", "heartbeat", "grains", "event"].every(isCommand)).toBe(true);
  });
});
