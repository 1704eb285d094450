/** The one-time code with which the first account is made. It is new at every start, and gone with the first account. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";

const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

export class Setup {
  readonly #file: string;
  #hash: Buffer | undefined;

  /** @param file where the link lies until it is used */
  constructor(file: string) {
    this.#file = file;
  }

  /** The link for whoever started this. */
  open(origin: string): string {
    const code = randomBytes(24).toString("base64url");
    this.#hash = sha256(code);
    const link = `${origin}/setup#${code}`;
    rmSync(this.#file, { force: true });
    writeFileSync(this.#file, `${link}\n`, { mode: 0o600, flag: "wx" });
    return link;
  }

  isCode(code: string): boolean {
    return this.#hash !== undefined && timingSafeEqual(this.#hash, sha256(code));
  }

  close(): void {
    this.#hash = undefined;
    rmSync(this.#file, { force: true });
  }
}
