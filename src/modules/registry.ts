import { archiveFunctions } from "./archive.ts";
import { cmdFunctions } from "./cmd.ts";
import { configFunctions } from "./config.ts";
import { cronFunctions } from "./cron.ts";
import { cpFunctions } from "./cp.ts";
import type { AnyFunction } from "./declare.ts";
import { diskFunctions, kernelFunctions } from "./disk.ts";
import { eventFunctions } from "./event.ts";
import { fileChanges } from "./file-changes.ts";
import { fileFacts } from "./file-facts.ts";
import { grainsFunctions } from "./grains.ts";
import { hostsFunctions } from "./hosts.ts";
import { mineModule } from "./mine.ts";
import { httpFunctions } from "./http.ts";
import { mountFunctions } from "./mounts.ts";
import { matchFunctions } from "./match.ts";
import { networkFunctions } from "./network.ts";
import { pkgFunctions } from "./packages.ts";
import { publishFunctions } from "./publish.ts";
import { pillarFunctions } from "./pillar.ts";
import { saltutilFunctions } from "./saltutil.ts";
import { scheduleFunctions } from "./schedule.ts";
import { serviceFunctions } from "./services.ts";
import { sysFunctions } from "./sys.ts";
import { psFunctions, statusFunctions } from "./status.ts";
import { testFunctions } from "./test.ts";
import { userFunctions } from "./users.ts";

const all: readonly AnyFunction[] = [
  ...testFunctions,
  ...cmdFunctions,
  ...grainsFunctions,
  ...sysFunctions,
  ...saltutilFunctions,
  ...configFunctions,
  ...eventFunctions,
  ...cpFunctions,
  ...fileFacts,
  ...fileChanges,
  ...statusFunctions,
  ...psFunctions,
  ...diskFunctions,
  ...kernelFunctions,
  ...mountFunctions,
  ...networkFunctions,
  ...mineModule,
  ...publishFunctions,
  ...userFunctions,
  ...serviceFunctions,
  ...pkgFunctions,
  ...cronFunctions,
  ...hostsFunctions,
  ...archiveFunctions,
  ...httpFunctions,
  ...pillarFunctions,
  ...scheduleFunctions,
  ...matchFunctions,
];

/** Every function that a minion has, by its name. */
export const builtins: ReadonlyMap<string, AnyFunction> = new Map(all.map((fn) => [fn.name, fn]));
