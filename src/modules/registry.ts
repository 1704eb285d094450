import { cmdFunctions } from "./cmd.ts";
import { configFunctions } from "./config.ts";
import type { AnyFunction } from "./declare.ts";
import { eventFunctions } from "./event.ts";
import { grainsFunctions } from "./grains.ts";
import { saltutilFunctions } from "./saltutil.ts";
import { sysFunctions } from "./sys.ts";
import { testFunctions } from "./test.ts";

const all: readonly AnyFunction[] = [
  ...testFunctions,
  ...cmdFunctions,
  ...grainsFunctions,
  ...sysFunctions,
  ...saltutilFunctions,
  ...configFunctions,
  ...eventFunctions,
];

/** Every function that a minion has, by its name. */
export const builtins: ReadonlyMap<string, AnyFunction> = new Map(all.map((fn) => [fn.name, fn]));
