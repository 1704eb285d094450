import type { Command } from "commander";
import { cpProgram } from "./cp.ts";
import { apiProgram, masterProgram, minionProgram } from "./daemons.ts";
import { keyProgram } from "./key-options.ts";
import { callProgram } from "./local-call.ts";
import { msaltProgram } from "./msalt.ts";
import { runProgram } from "./run-options.ts";
import { swarmProgram } from "./swarm-options.ts";

/** Every tool, for what is made from its options: completion and manual pages. */
export function programs(version: string): readonly Command[] {
  return [
    msaltProgram(version),
    keyProgram(),
    runProgram(version),
    callProgram(version),
    cpProgram(version),
    masterProgram(version),
    minionProgram(version),
    apiProgram(version),
    swarmProgram(version),
  ];
}
