import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dist } from "./proc.ts";

/** The built programs, in each of which some code of a test runs first. */
export class PatchedPrograms implements Disposable {
  /** To be started from, in place of `dist`. */
  readonly folder: string;

  constructor(codeFor: (folder: string) => string) {
    // Beside the packages that they need.
    this.folder = mkdtempSync(join(dist, "../node_modules/.msalt-patched-"));
    cpSync(dist, this.folder, { recursive: true });
    writeFileSync(join(this.folder, "patch.mjs"), codeFor(this.folder));
    for (const name of readdirSync(this.folder).filter((name) => name.endsWith(".js"))) {
      const file = join(this.folder, name);
      // Behind the line that names the interpreter.
      writeFileSync(file, readFileSync(file, "utf8").replace(/^(#!.*\n)?/, '$1import "./patch.mjs";'));
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** In a process that makes little garbage V8 lets it lie for half an hour. Here it is collected twice a minute: what is left is held. */
export const collecting = (): string => `
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
setFlagsFromString("--expose-gc");
setInterval(runInNewContext("gc"), 30_000).unref();
`;
