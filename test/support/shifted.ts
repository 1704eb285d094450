/** The built programs with a clock that a test sets: `Date` in every process of theirs, and no other clock. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dist } from "./proc.ts";

const shim = (file: string): string => `
import { readFileSync } from "node:fs";
const RealDate = Date;
let offset = 0;
let looked = 0;
const now = () => {
  if (performance.now() - looked > 20) {
    looked = performance.now();
    offset = Number(readFileSync(${JSON.stringify(file)}, "utf8"));
  }
  return RealDate.now() + offset;
};
globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(now());
    else super(...args);
  }
  static now() { return now(); }
};
`;

export class ShiftedPrograms implements Disposable {
  /** To be started from, in place of `dist`. */
  readonly folder: string;

  constructor() {
    // Beside the packages that they need.
    this.folder = mkdtempSync(join(dist, "../node_modules/.msalt-shifted-"));
    cpSync(dist, this.folder, { recursive: true });
    this.shift(0);
    writeFileSync(join(this.folder, "shim.mjs"), shim(join(this.folder, "offset")));
    for (const name of readdirSync(this.folder).filter((name) => name.endsWith(".js"))) {
      const file = join(this.folder, name);
      // Behind the line that names the interpreter.
      writeFileSync(file, readFileSync(file, "utf8").replace(/^(#!.*\n)?/, '$1import "./shim.mjs";'));
    }
  }

  /** All their clocks are off by so many milliseconds from now on. */
  shift(ms: number): void {
    const file = join(this.folder, "offset");
    // Whoever reads it meanwhile must not find it empty.
    writeFileSync(`${file}.new`, String(ms));
    renameSync(`${file}.new`, file);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
