import { copyFileSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type BookKey, KeyBook } from "../../../src/crypto/key-book.ts";
import type { MinionId } from "../../../src/wire/ids.ts";
import type { KeyState } from "../../../src/wire/keys.ts";
import { code, host, tempFolder } from "../../support/keys.ts";

function bookKey(id: string, state: KeyState, keyName = id): BookKey {
  const { record, keyId } = host(id, keyName);
  return { id: id as MinionId, keyId, record, state, since: 1234 };
}

function open(dir: string): { book: KeyBook; warnings: string[] } {
  const warnings: string[] = [];
  return { book: new KeyBook(dir, (problem) => warnings.push(problem)), warnings };
}

const stored = (book: KeyBook): unknown[] => book.keys().map(({ id, state, since }) => [id, state, since]);
const folderOf: Record<KeyState, string> = {
  accepted: "minions",
  denied: "minions_denied",
  pending: "minions_pre",
  rejected: "minions_rejected",
};
const states = Object.keys(folderOf) as KeyState[];

describe("KeyBook", () => {
  it.each(states)("keeps a key as %s over a restart, in a private file", (state) => {
    using temp = tempFolder();
    const { book } = open(temp.path);
    const key = bookKey("web1", state);
    book.add(key);
    book.sync();
    expect(stored(open(temp.path).book)).toEqual([["web1", state, 1234]]);
    const name = state === "accepted" ? "web1" : `web1@${key.keyId}`;
    expect(statSync(join(temp.path, folderOf[state], name)).mode & 0o777).toBe(0o600);
    expect(statSync(join(temp.path, folderOf[state])).mode & 0o777).toBe(0o700);
  });

  it.each(states.flatMap((from) => states.filter((to) => to !== from).map((to) => [from, to] as const)))(
    "moves a key from %s to %s, whole or not at all",
    (from, to) => {
      using temp = tempFolder();
      const { book } = open(temp.path);
      book.add(bookKey("web1", from));
      book.move(bookKey("web1", from), to);
      expect(stored(open(temp.path).book)).toEqual([["web1", to, 1234]]);
      expect(readdirSync(join(temp.path, folderOf[from]))).toEqual([]);
    },
  );

  it("never overwrites an accepted key by a different one", () => {
    using temp = tempFolder();
    const { book } = open(temp.path);
    book.add(bookKey("web1", "accepted"));
    const other = bookKey("web1", "pending", "other");
    book.add(other);
    expect(() => book.add({ ...other, state: "accepted" })).toThrow(code("ERR_KEY_FILE"));
    expect(() => book.move(other, "accepted")).toThrow(code("ERR_KEY_FILE"));
    expect(
      open(temp.path)
        .book.keys()
        .find(({ state }) => state === "accepted")?.keyId,
    ).toBe(host("web1").keyId);
  });

  it("holds several candidates of one id", () => {
    using temp = tempFolder();
    const { book } = open(temp.path);
    for (const name of ["a", "b", "c"]) book.add(bookKey("web1", "pending", name));
    expect(stored(open(temp.path).book)).toHaveLength(3);
  });

  it.each([
    ["empty", (bytes: Buffer) => bytes.subarray(0, 0)],
    ["cut", (bytes: Buffer) => bytes.subarray(0, -5)],
    ["altered", (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 30), Buffer.from("!"), bytes.subarray(31)])],
  ])("I7: skips a file that is %s with a warning, and its key is not accepted", (_case, damage) => {
    using temp = tempFolder();
    const { book } = open(temp.path);
    book.add(bookKey("web1", "accepted"));
    book.add(bookKey("web2", "accepted"));
    const path = join(temp.path, "minions", "web1");
    writeFileSync(path, damage(readFileSync(path)));
    const { book: again, warnings } = open(temp.path);
    expect(stored(again)).toEqual([["web2", "accepted", 1234]]);
    expect(warnings).toEqual([expect.stringContaining(path)]);
    expect(existsSync(path)).toBe(true);
  });

  it("I7: does not believe a file under another name than its key's", () => {
    using temp = tempFolder();
    const { book } = open(temp.path);
    const key = bookKey("web1", "pending");
    book.add(key);
    const pending = join(temp.path, "minions_pre", `web1@${key.keyId}`);
    copyFileSync(pending, join(temp.path, "minions", "web2"));
    const { book: again, warnings } = open(temp.path);
    expect(stored(again)).toEqual([["web1", "pending", 1234]]);
    expect(warnings).toHaveLength(1);
  });

  it("counts a rejected key as rejected when its file was copied to the accepted ones", () => {
    using temp = tempFolder();
    const { book } = open(temp.path);
    const key = bookKey("web1", "rejected");
    book.add(key);
    copyFileSync(join(temp.path, "minions_rejected", `web1@${key.keyId}`), join(temp.path, "minions", "web1"));
    const { book: again, warnings } = open(temp.path);
    expect(stored(again)).toEqual([["web1", "rejected", 1234]]);
    expect(warnings).toEqual([expect.stringContaining("web1")]);
  });

  it("ignores the draft of an interrupted write", () => {
    using temp = tempFolder();
    const { book } = open(temp.path);
    writeFileSync(join(temp.path, "minions", ".web1.new"), "msalt minion-k");
    expect(book.keys()).toEqual([]);
    book.add(bookKey("web1", "accepted"));
    expect(readdirSync(join(temp.path, "minions"))).toEqual(["web1"]);
  });

  it("remembers deleted keys and tokens until told otherwise", () => {
    using temp = tempFolder();
    const { book } = open(temp.path);
    const { keyId } = host("web1");
    book.rememberDeleted(keyId, 77);
    book.putToken("ab".repeat(32), { expires: 99, uses: 3, created: 5 });
    book.sync();
    const { book: again } = open(temp.path);
    expect([...again.deleted()]).toEqual([[keyId, 77]]);
    expect([...again.tokens()]).toEqual([["ab".repeat(32), { expires: 99, uses: 3, created: 5 }]]);
    again.forgetDeleted(keyId);
    again.removeToken("ab".repeat(32));
    again.removeToken("ab".repeat(32));
    expect([...book.deleted(), ...book.tokens()]).toEqual([]);
  });
});
