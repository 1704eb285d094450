/** Passwords as scrypt keeps them: `scrypt$N$r$p$salt$key`, so that the cost can be raised later. */
import { type ScryptOptions, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { MsaltError } from "../errors.ts";

const cost = { N: 2 ** 15, r: 8, p: 1 } as const;
const keyBytes = 32;
const maxMemory = 64 * 1_048_576;
/** Each takes 32 MiB and a tenth of a second: more than these wait for nothing. */
const maxWaiting = 32;

let tail: Promise<unknown> = Promise.resolve();
let waiting = 0;

function derive(password: string, salt: Uint8Array, { N, r, p }: ScryptOptions): Promise<Buffer> {
  const options: ScryptOptions = { ...(N && { N }), ...(r && { r }), ...(p && { p }), maxmem: maxMemory };
  if (waiting >= maxWaiting) throw new MsaltError("ERR_BUSY", "too many passwords are being checked; try again");
  waiting += 1;
  const work = tail.then(
    () =>
      new Promise<Buffer>((resolve, reject) => {
        scrypt(password.normalize("NFKC"), salt, keyBytes, options, (failure, key) =>
          failure === null ? resolve(key) : reject(failure),
        );
      }),
  );
  const done = work.finally(() => (waiting -= 1));
  tail = done.catch(() => undefined);
  return done;
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, cost);
  return ["scrypt", cost.N, cost.r, cost.p, salt.toString("base64"), key.toString("base64")].join("$");
}

/** A hash that no password has: what an unknown name is compared with, so that it takes as long as a known one. */
const nobody = ["scrypt", cost.N, cost.r, cost.p, Buffer.alloc(16).toString("base64"), ""].join("$");

/** @param kept undefined where there is no such account: false, after as much work */
export async function isPassword(password: string, kept: string | undefined): Promise<boolean> {
  const [, N, r, p, salt = "", key = ""] = (kept ?? nobody).split("$");
  const found = await derive(password, Buffer.from(salt, "base64"), { N: Number(N), r: Number(r), p: Number(p) });
  const wanted = Buffer.from(key, "base64");
  return wanted.length === found.length && timingSafeEqual(wanted, found);
}
