import { join } from "node:path";
import nacl from "tweetnacl";
import { expect, it } from "vitest";
import { loadSecret } from "../../src/crypto/keystore.ts";
import { Bus } from "../support/bus.ts";
import { FaultyPath } from "../support/faulty-path.ts";
import { until } from "../support/proc.ts";
import { readRecord } from "../support/raw-minion.ts";
import { readFileSync } from "node:fs";

/** The bodies of ZMTP's frames after the greeting. */
function framesOf(stream: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 64; at + 2 <= stream.length;) {
    const long = ((stream[at] ?? 0) & 2) !== 0;
    const size = long ? Number(stream.readBigUInt64BE(at + 1)) : (stream[at + 1] ?? 0);
    at += long ? 9 : 2;
    frames.push(stream.subarray(at, at + size));
    at += size;
  }
  return frames;
}

const named = (frame: Buffer, name: string): boolean => frame.subarray(1, 1 + name.length).toString("latin1") === name;

it("HS-19: who records all traffic and later gets every long-term key reads nothing of it", async () => {
  await using bus = await Bus.start({ minions: [], master: "timeout: 60" });
  const direct = bus.ports;
  await using requests = await FaultyPath.to(direct["ret_port"] ?? 0);
  await using publications = await FaultyPath.to(direct["publish_port"] ?? 0);
  for (const path of [requests, publications]) path.records = true;
  bus.ports = { ...direct, ret_port: requests.port, publish_port: publications.port };
  await bus.startMinion("m1");
  bus.ports = direct;
  const canary = "canary of order and result";
  expect((await bus.msalt("m1", "cmd.run", `echo '${canary}'`, "--out=txt")).stdout).toContain(canary);
  for (const path of [requests, publications]) path.cut();
  const madeAnew = ({ heard }: FaultyPath): boolean =>
    [...heard].filter(([name, parts]) => name.endsWith(" up") && Buffer.concat(parts).length > 300).length >= 2;
  await until("both connections made anew", () => madeAnew(requests) && madeAnew(publications));
  await bus.connected();
  expect(await bus.msalt("m1", "test.ping")).toMatchObject({ code: 0 });

  const streams = [requests, publications].flatMap(({ heard }) =>
    [...heard].map(([name, parts]) => ({ way: name.split(" ")[1] ?? "", bytes: Buffer.concat(parts) })),
  );
  const secret = (dir: string, role: "master" | "minion", kind: "box" | "curve"): Uint8Array =>
    loadSecret(join(bus.pki, dir), role, kind);
  const words = readFileSync(join(bus.pki, "m1", "minion.pub"), "utf8").split(" ");
  const minion = readRecord(Buffer.from(words[3] ?? "", "base64"));
  const master = nacl.box.keyPair.fromSecretKey(secret("master", "master", "curve"));
  const known = [
    nacl.box.before(master.publicKey, secret("m1", "minion", "curve")),
    nacl.box.before(minion.box, secret("master", "master", "box")),
  ];

  const ephemeral = new Set<string>();
  let messages = 0;
  for (const { way, bytes } of streams) {
    for (const text of [canary, "test.ping", "cmd.run", "m1\0"]) expect(bytes.includes(text)).toBe(false);
    for (const key of known) expect(bytes.includes(Buffer.from(key))).toBe(false);
    for (const frame of framesOf(bytes)) {
      if (named(frame, "HELLO")) {
        // That it can be read with the server's key shows that these keys and this reading of the stream are right.
        const key = frame.subarray(80, 112);
        const nonce = Buffer.concat([Buffer.from("CurveZMQHELLO---"), frame.subarray(112, 120)]);
        const box = frame.subarray(120, 200);
        expect(nacl.box.open(box, nonce, key, master.secretKey)).toEqual(new Uint8Array(64));
        ephemeral.add(key.toString("hex"));
      }
      if (!named(frame, "MESSAGE")) continue;
      messages += 1;
      const nonce = Buffer.concat([
        Buffer.from(way === "up" ? "CurveZMQMESSAGEC" : "CurveZMQMESSAGES"),
        frame.subarray(8, 16),
      ]);
      for (const key of known) expect(nacl.box.open.after(frame.subarray(16), nonce, key)).toBeNull();
    }
  }
  expect(messages).toBeGreaterThan(10);
  // Two connections each, twice; none used a key again.
  expect(ephemeral.size).toBe(streams.filter(({ way, bytes }) => way === "up" && bytes.length > 300).length);
  expect(ephemeral.size).toBeGreaterThanOrEqual(4);
});
