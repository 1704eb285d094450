import { expect, it } from "vitest";
import { nearest } from "../../../src/lib/near.ts";

it.each([
  ["publish_prot", "publish_port"],
  ["retport", "ret_port"],
  ["Timeout", "timeout"],
  ["xyz", undefined],
  ["", undefined],
  ["entirely_different", undefined],
])("takes %j for %j", (key, meant) => {
  expect(nearest(key, ["publish_port", "ret_port", "timeout"])).toEqual(meant === undefined ? [] : [meant]);
});
