import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PatchedPrograms } from "./patched.ts";

const offsetIn = (folder: string): string => join(folder, "offset");

const clock = (folder: string): string => `
import { readFileSync } from "node:fs";
const RealDate = Date;
let offset = 0;
let looked = 0;
const now = () => {
  if (performance.now() - looked > 20) {
    looked = performance.now();
    offset = Number(readFileSync(${JSON.stringify(offsetIn(folder))}, "utf8"));
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

/** The built programs with a clock that a test sets: `Date` in every process of theirs, and no other clock. */
export class ShiftedPrograms extends PatchedPrograms {
  constructor() {
    super(clock);
    this.shift(0);
  }

  /** All their clocks are off by so many milliseconds from now on. */
  shift(ms: number): void {
    const file = offsetIn(this.folder);
    // Whoever reads it meanwhile must not find it empty.
    writeFileSync(`${file}.new`, String(ms));
    renameSync(`${file}.new`, file);
  }
}
