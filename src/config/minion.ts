import type { MinionId } from "../wire/ids.ts";
export interface MinionConfig {
  readonly id: MinionId; readonly masters: readonly string[]; readonly masterPort: number; readonly publishPort: number; readonly enrollPort: number;
  readonly masterFinger: string | undefined; readonly token: string | undefined; readonly pkiDir: string; readonly dataDir: string; readonly logLevel: "info";
  readonly acceptanceWaitMs: number; readonly shutdownTimeoutMs: number; readonly allowedFunctions: readonly string[] | undefined;
  readonly grains: Record<string, unknown>; readonly customGrains: Record<string, unknown>; readonly shown: Record<string, unknown>; readonly grainsFile: string;
}
