import { describe, expect, it } from "vitest";
import { Folder } from "../../../src/cli/fold.ts";
import { Printer } from "../../../src/cli/print.ts";

const plain = { color: false };

describe("Folder", () => {
  it("shows equal answers once, most frequent first, failed ones apart", () => {
    const folder = new Folder();
    folder.add("db1", "b", false);
    for (const id of ["web1", "web2", "web3"]) folder.add(id, "a", false);
    folder.add("web4", "a", true);
    expect(folder.text("nested", false, plain)).toBe("web[1-3] (3):\n    a\ndb1:\n    b\nweb4:\n    a\n");
    expect(folder.text("json", false, { color: false, indent: -1 })).toBe(
      '{"web[1-3]": "a", "db1": "b", "web4": "a"}\n',
    );
  });

  it("takes a later answer of a minion in place of the earlier one", () => {
    const folder = new Folder();
    folder.add("m1", "not there", true);
    folder.add("m2", "here", false);
    folder.add("m1", "here", false);
    expect(folder.text("nested", false, plain)).toBe("m[1-2] (2):\n    here\n");
    expect(folder.counts).toEqual([2]);
  });

  it("compares the others with the most frequent answer, line by line", () => {
    const folder = new Folder();
    for (const id of ["m1", "m2"]) folder.add(id, "one\ntwo\nthree", false);
    folder.add("m3", "one\n2\nthree", false);
    expect(folder.text("nested", true, plain)).toBe(
      "m[1-2] (2):\n    one\n    two\n    three\nm3, where it differs:\n     one\n    -two\n    +2\n     three\n",
    );
  });

  it("lets nothing of a minion through that steers a terminal", () => {
    const folder = new Folder();
    folder.add("m1", "\u001b[2J", false);
    folder.add("m2", "\u001b]0;x\u0007", false);
    expect(folder.text("nested", true, plain)).not.toContain("\u001b");
  });
});

describe("a Printer that folds", () => {
  it("tells the status line, as answers come, how many gave each of them", () => {
    let out = "";
    const terminal = { color: false, out: (text: string) => void (out += text), err: () => undefined };
    const printer = new Printer({ outputter: "nested", atEnd: false, fold: "fold", write: terminal.out }, terminal);
    expect(printer.progress).toBe("");
    for (const [id, value] of [
      ["m1", "a"],
      ["m2", "b"],
      ["m3", "b"],
    ] as const)
      printer.add(id, value, false);
    expect(printer.progress).toBe(" · 2 different: 2, 1");
    expect(out).toBe("");
    printer.end();
    expect(out).toBe("m[2-3] (2):\n    b\nm1:\n    a\n");
  });
});
