import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeKeyRecord } from "../../../src/crypto/keys.ts";
import {
  ensureOwnKeys,
  loadOwnRecord,
  loadPin,
  loadSecret,
  rotateOwnKeys,
  savePin,
} from "../../../src/crypto/keystore.ts";
import { Signer, formatFingerprint, fingerprintOf, x25519Public } from "../../../src/crypto/primitives.ts";
import { encodeKeyRecord } from "../../../src/wire/key-record.ts";
import { fixedKeys, host, tempFolder } from "../../support/keys.ts";

const umask = process.umask();
afterEach(() => process.umask(umask));

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const files = ["minion.sign", "minion.box", "minion.curve", "minion.pub"];
const secrets = files.slice(0, 3);

/** The error that names the path, then says what is wrong, and what to do. */
function refusal(named: string, said = /./): unknown {
  return expect.objectContaining({
    code: "ERR_KEY_FILE",
    message: expect.stringMatching(new RegExp(`${named.replaceAll(".", "\\.")}.*${said.source}`)),
    details: expect.objectContaining({ hint: expect.stringMatching(/\w{3}/) }),
  });
}

function snapshot(dir: string): Record<string, string> {
  return Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), "latin1")]));
}

describe("ensureOwnKeys", () => {
  it.each([0o000, 0o022, 0o077, 0o177, 0o777])(
    "LF-01: makes private files in a private folder under umask %o",
    (mask) => {
      using temp = tempFolder();
      const dir = join(temp.path, "pki", "minion");
      mkdirSync(join(temp.path, "pki"));
      process.umask(mask);
      ensureOwnKeys(dir, "minion", "web1");
      expect(modeOf(dir)).toBe(0o700);
      expect(secrets.map((name) => modeOf(join(dir, name)))).toEqual([0o600, 0o600, 0o600]);
      expect(readdirSync(dir).toSorted()).toEqual(files.toSorted());
    },
  );

  it("gives the same keys again, and they belong together", () => {
    using temp = tempFolder();
    const made = ensureOwnKeys(temp.path, "minion", "web1");
    const before = snapshot(temp.path);
    const again = ensureOwnKeys(temp.path, "minion", "web1");
    expect(encodeKeyRecord(again)).toEqual(encodeKeyRecord(made));
    expect(encodeKeyRecord(loadOwnRecord(temp.path, "minion"))).toEqual(encodeKeyRecord(made));
    expect(new Signer(loadSecret(temp.path, "minion", "sign")).publicKey).toEqual(made.sign);
    expect(x25519Public(loadSecret(temp.path, "minion", "box"))).toEqual(made.box);
    expect(x25519Public(loadSecret(temp.path, "minion", "curve"))).toEqual(made.curve);
    expect(snapshot(temp.path)).toEqual(before);
  });

  it("keeps the keys of a master whose display name changed", () => {
    using temp = tempFolder();
    const made = ensureOwnKeys(temp.path, "master", "old");
    expect(encodeKeyRecord(ensureOwnKeys(temp.path, "master", "new"))).toEqual(encodeKeyRecord(made));
  });

  it("refuses the keys of another minion id, naming both", () => {
    using temp = tempFolder();
    ensureOwnKeys(temp.path, "minion", "web1");
    expect(() => ensureOwnKeys(temp.path, "minion", "web2")).toThrow(refusal("minion.pub", /web1.*web2/));
  });

  const damages: [string, (path: string) => void][] = [
    ["empty", (path) => truncateSync(path, 0)],
    ["cut", (path) => truncateSync(path, statSync(path).size - 2)],
    ["without its last byte", (path) => truncateSync(path, statSync(path).size - 1)],
    ["longer than it should be", (path) => writeFileSync(path, `${readFileSync(path, "latin1")}x`)],
    [
      "bit-flipped",
      (path) => {
        const bytes = readFileSync(path);
        bytes[40] = (bytes[40] ?? 0) ^ 1;
        writeFileSync(path, bytes);
      },
    ],
    ["writable by the group", (path) => chmodSync(path, 0o660)],
    [
      "a symbolic link",
      (path) => {
        renameSync(path, `${path}.real`);
        symlinkSync(`${path}.real`, path);
      },
    ],
    [
      "a folder",
      (path) => {
        unlinkSync(path);
        mkdirSync(path);
      },
    ],
    ["missing", (path) => unlinkSync(path)],
  ];
  const cases = files.flatMap((name) => damages.map(([what, damage]) => ({ name, what, damage })));

  it.each(cases)("LF-06: refuses $name when it is $what, and makes no new keys", ({ name, damage }) => {
    using temp = tempFolder();
    ensureOwnKeys(temp.path, "minion", "web1");
    damage(join(temp.path, name));
    const names = readdirSync(temp.path);
    expect(() => ensureOwnKeys(temp.path, "minion", "web1")).toThrow(refusal(join(temp.path, name)));
    expect(readdirSync(temp.path)).toEqual(names);
  });

  it.each(secrets.flatMap((name) => [0o640, 0o604, 0o644].map((mode) => [name, mode] as const)))(
    "LF-06: refuses %s when others can read it (mode %o)",
    (name, mode) => {
      using temp = tempFolder();
      ensureOwnKeys(temp.path, "minion", "web1");
      chmodSync(join(temp.path, name), mode);
      expect(() => ensureOwnKeys(temp.path, "minion", "web1")).toThrow(refusal(name, /open to other users/));
    },
  );

  it.runIf(process.getuid?.() === 0).each(files)("LF-02: refuses %s when it belongs to somebody else", (name) => {
    using temp = tempFolder();
    ensureOwnKeys(temp.path, "minion", "web1");
    chownSync(join(temp.path, name), 12_345, 12_345);
    expect(() => ensureOwnKeys(temp.path, "minion", "web1")).toThrow(refusal(name, /another user/));
  });

  it("finds every flipped bit of a secret", () => {
    using temp = tempFolder();
    ensureOwnKeys(temp.path, "minion", "web1");
    const path = join(temp.path, "minion.box");
    const good = readFileSync(path);
    for (let at = 0; at < good.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const bad = Buffer.from(good);
        bad[at] = (bad[at] ?? 0) ^ (1 << bit);
        writeFileSync(path, bad);
        expect(() => loadSecret(temp.path, "minion", "box"), `byte ${at}`).toThrow(refusal(path));
      }
    }
  });

  it("refuses one host's secret beside another host's record", () => {
    using one = tempFolder();
    using two = tempFolder();
    for (const { path } of [one, two]) ensureOwnKeys(path, "minion", "web1");
    for (const name of secrets) {
      const own = readFileSync(join(one.path, name));
      writeFileSync(join(one.path, name), readFileSync(join(two.path, name)));
      expect(() => ensureOwnKeys(one.path, "minion", "web1")).toThrow(refusal(name, /does not belong/));
      writeFileSync(join(one.path, name), own);
    }
    ensureOwnKeys(one.path, "minion", "web1");
  });

  it("refuses one secret under another one's name", () => {
    using temp = tempFolder();
    ensureOwnKeys(temp.path, "minion", "web1");
    writeFileSync(join(temp.path, "minion.box"), readFileSync(join(temp.path, "minion.curve")));
    expect(() => loadSecret(temp.path, "minion", "box")).toThrow(refusal("minion.box"));
  });

  it("LF-02: refuses a folder that others can write, and closes one that they can read", () => {
    using temp = tempFolder();
    const dir = join(temp.path, "pki");
    mkdirSync(dir);
    chmodSync(dir, 0o770);
    expect(() => ensureOwnKeys(dir, "minion", "web1")).toThrow(refusal(dir, /written by others/));
    expect(readdirSync(dir)).toEqual([]);
    chmodSync(dir, 0o755);
    ensureOwnKeys(dir, "minion", "web1");
    expect(modeOf(dir)).toBe(0o700);
  });

  it.each([0, 1, 2, 3])("starts over after a first start that a crash cut off behind %i files", (made) => {
    using temp = tempFolder();
    const before = ensureOwnKeys(temp.path, "minion", "web1");
    for (const name of files.slice(made)) unlinkSync(join(temp.path, name));
    writeFileSync(join(temp.path, "minion.creating"), "");
    const after = ensureOwnKeys(temp.path, "minion", "web1");
    expect(after.sign).not.toEqual(before.sign);
    expect(ensureOwnKeys(temp.path, "minion", "web1").sign).toEqual(after.sign);
    expect(readdirSync(temp.path).toSorted()).toEqual(files.toSorted());
  });

  it("keeps the keys of a first start that a crash cut off behind the last file", () => {
    using temp = tempFolder();
    const before = ensureOwnKeys(temp.path, "minion", "web1");
    writeFileSync(join(temp.path, "minion.creating"), "");
    expect(ensureOwnKeys(temp.path, "minion", "web1").sign).toEqual(before.sign);
    expect(readdirSync(temp.path).toSorted()).toEqual(files.toSorted());
  });

  it("starts over after a crash that left only drafts", () => {
    using temp = tempFolder();
    writeFileSync(join(temp.path, ".minion.sign.new"), "half a ke");
    ensureOwnKeys(temp.path, "minion", "web1");
    expect(readdirSync(temp.path).toSorted()).toEqual(files.toSorted());
  });
});

describe("savePin", () => {
  const master = host("master", "master", "master");
  const rotated = makeKeyRecord("master", "master", { ...fixedKeys("rotated"), sign: master.keys.sign }, 2);

  it("HS-15: pins, gives it back, and follows a rotation", () => {
    using temp = tempFolder();
    expect(loadPin(temp.path)).toBeUndefined();
    savePin(temp.path, master.record);
    savePin(temp.path, master.record);
    expect(loadPin(temp.path)?.sign).toEqual(master.record.sign);
    savePin(temp.path, rotated);
    expect(loadPin(temp.path)?.number).toBe(2);
  });

  it("HS-07: refuses another master with both fingerprints whole, and keeps the pin", () => {
    using temp = tempFolder();
    const fake = host("master", "fake", "master");
    savePin(temp.path, master.record);
    const both = [master, fake].map(({ record }) => formatFingerprint(fingerprintOf(record.sign)));
    expect(() => savePin(temp.path, fake.record)).toThrow(refusal("minion_master.pub", new RegExp(both.join(".*"))));
    expect(loadPin(temp.path)?.sign).toEqual(master.record.sign);
  });

  it("W10: refuses a lower number, and another record under the same one", () => {
    using temp = tempFolder();
    savePin(temp.path, rotated);
    expect(() => savePin(temp.path, master.record)).toThrow(refusal("minion_master.pub"));
    const twin = makeKeyRecord("master", "master", { ...fixedKeys("twin"), sign: master.keys.sign }, 2);
    expect(() => savePin(temp.path, twin)).toThrow(refusal("minion_master.pub"));
    expect(loadPin(temp.path)?.box).toEqual(rotated.box);
  });

  it("LF-06: a broken pin is an error, never a first contact", () => {
    using temp = tempFolder();
    savePin(temp.path, master.record);
    truncateSync(join(temp.path, "minion_master.pub"), 0);
    expect(() => loadPin(temp.path)).toThrow(refusal("minion_master.pub"));
    expect(() => savePin(temp.path, master.record)).toThrow(refusal("minion_master.pub"));
  });

  it("takes no minion's record for a master's", () => {
    using temp = tempFolder();
    savePin(temp.path, host("m1").record);
    expect(() => loadPin(temp.path)).toThrow(refusal("minion_master.pub"));
  });
});

describe("rotateOwnKeys", () => {
  it("changes nothing until the next start, and then box and curve, never the sign key", () => {
    using temp = tempFolder();
    const old = ensureOwnKeys(temp.path, "minion", "web1");
    const before = snapshot(temp.path);
    const next = rotateOwnKeys(temp.path, "minion");
    expect(next).toMatchObject({ id: "web1", number: 2 });
    expect(Buffer.from(next.sign)).toEqual(Buffer.from(old.sign));
    expect(modeOf(join(temp.path, "minion.next"))).toBe(0o600);
    expect(snapshot(temp.path)).toMatchObject(before);
    expect(encodeKeyRecord(ensureOwnKeys(temp.path, "minion", "web1"))).toEqual(encodeKeyRecord(next));
    expect(next.box).not.toEqual(old.box);
    expect(next.curve).not.toEqual(old.curve);
    expect(readdirSync(temp.path).toSorted()).toEqual(files.toSorted());
    expect(rotateOwnKeys(temp.path, "minion").number).toBe(3);
  });

  it.each([1, 2, 3])("is finished by the next start after a crash behind %i of its files", (done) => {
    using temp = tempFolder();
    ensureOwnKeys(temp.path, "minion", "web1");
    const old = snapshot(temp.path);
    const next = rotateOwnKeys(temp.path, "minion");
    const waiting = readFileSync(join(temp.path, "minion.next"));
    ensureOwnKeys(temp.path, "minion", "web1");
    for (const name of ["minion.box", "minion.curve", "minion.pub"].slice(done)) {
      writeFileSync(join(temp.path, name), old[name] ?? "");
    }
    writeFileSync(join(temp.path, "minion.next"), waiting, { mode: 0o600 });
    expect(encodeKeyRecord(ensureOwnKeys(temp.path, "minion", "web1"))).toEqual(encodeKeyRecord(next));
    expect(readdirSync(temp.path).toSorted()).toEqual(files.toSorted());
  });

  it("does not take a file of new keys that is cut or is the master's", () => {
    using temp = tempFolder();
    using other = tempFolder();
    ensureOwnKeys(temp.path, "minion", "web1");
    ensureOwnKeys(other.path, "master", "master");
    rotateOwnKeys(other.path, "master");
    const next = join(temp.path, "minion.next");
    writeFileSync(next, readFileSync(join(other.path, "master.next")), { mode: 0o600 });
    expect(() => ensureOwnKeys(temp.path, "minion", "web1")).toThrow(refusal("minion.next", /record of a master/));
    truncateSync(next, 40);
    expect(() => ensureOwnKeys(temp.path, "minion", "web1")).toThrow(refusal("minion.next", /cut or altered/));
  });
});
