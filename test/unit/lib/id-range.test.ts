import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expandIds, foldIds } from "../../../src/lib/id-range.ts";

describe("foldIds", () => {
  it.each<[string[], string]>([
    [[], ""],
    [["web1"], "web1"],
    [["web2", "web1", "web3"], "web[1-3]"],
    [["web1", "web2", "web40", "db1", "mail"], "db1,mail,web[1-2,40]"],
    [["web09", "web10", "web11"], "web[09-11]"],
    [["web08", "web09"], "web[08-09]"],
    [["web1.dc2", "web2.dc2", "web2.dc3"], "web[1-2].dc2,web2.dc3"],
    [["web9", "web10"], "web[9-10]"],
    [["7", "8"], "[7-8]"],
    [["a", "b"], "a,b"],
  ])("%j is %s", (ids, text) => {
    expect(foldIds(ids)).toBe(text);
  });

  it("loses and adds no name", () => {
    const id = fc.stringMatching(/^[a-z]{0,2}(0{0,2}[0-9]{1,2})?(\.[a-z0-9]{1,2})?$/).filter((text) => text !== "");
    fc.assert(
      fc.property(fc.uniqueArray(id, { maxLength: 30 }), (ids) => {
        const items = foldIds(ids).match(/(?:\[[^\]]*\]|[^,[])+/g) ?? [];
        expect(items.flatMap(expandIds).toSorted()).toEqual(ids.toSorted());
      }),
      { numRuns: 2000 },
    );
  });
});

describe("expandIds", () => {
  it.each<[string, string[]]>([
    ["web1", ["web1"]],
    ["web[1-3]", ["web1", "web2", "web3"]],
    ["web[08-10,12].x", ["web08.x", "web09.x", "web10.x", "web12.x"]],
    ["r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]],
    ["lab[1]", ["lab[1]"]],
    ["lab[1]n[1-2]", ["lab[1]n1", "lab[1]n2"]],
  ])("%s is %j", (text, ids) => {
    expect(expandIds(text)).toEqual(ids);
  });

  it.each(["web[3-1]", "web[a-c]", "web[1-]", "web[1-999999]", "r[1-999]n[1-999]"])("refuses %s", (text) => {
    expect(() => expandIds(text)).toThrow(expect.objectContaining({ code: "ERR_TARGET_INVALID" }));
  });
});
