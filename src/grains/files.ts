import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The files that facts are read from, below one root. What is not there, or not for us to read, is empty. */
export class SystemFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  text(path: string): string {
    try {
      return readFileSync(join(this.#root, path), "utf8");
    } catch {
      return "";
    }
  }

  line(path: string): string {
    return this.text(path).trim();
  }

  list(path: string): string[] {
    try {
      return readdirSync(join(this.#root, path)).toSorted();
    } catch {
      return [];
    }
  }
}
