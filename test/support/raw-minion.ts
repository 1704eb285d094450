/**
 * A minion written from docs/protocol.md alone, with tweetnacl and a bare socket: it shares no code with msalt, so it can say
 * what msalt's own minion never would, and shows that the document is enough to build one.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { decode, encode } from "@msgpack/msgpack";
import nacl from "tweetnacl";
import { Dealer, Subscriber } from "zeromq";

const ascii = (text: string): Buffer => Buffer.from(text, "ascii");
const sha256 = (...parts: Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);

const z85Alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
export function z85(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    let value = Buffer.from(bytes).readUInt32BE(at);
    let block = "";
    for (let i = 0; i < 5; i += 1) {
      block = (z85Alphabet[value % 85] ?? "") + block;
      value = Math.floor(value / 85);
    }
    text += block;
  }
  return text;
}

export interface MasterRecord {
  readonly bytes: Buffer;
  readonly id: string;
  readonly sign: Buffer;
  readonly box: Buffer;
  readonly curve: Buffer;
}

/** The parts of a key record; its signature is not checked. */
export function readRecord(bytes: Buffer): MasterRecord {
  const length = bytes[25] ?? 0;
  const keys = bytes.subarray(26 + length);
  return {
    bytes,
    id: bytes.subarray(26, 26 + length).toString(),
    sign: keys.subarray(0, 32),
    box: keys.subarray(32, 64),
    curve: keys.subarray(64, 96),
  };
}

const keyIdOf = (sign: Uint8Array): Buffer => sha256(ascii("msalt fingerprint v1\0"), sign).subarray(0, 16);

let exchanges = 0;

/** Sends bytes to a TCP port and gives all that comes back until the peer closes. Each call comes from another address. */
export function exchange(port: number, bytes: Uint8Array, timeoutMs = 20_000): Promise<Buffer> {
  exchanges += 1;
  const localAddress = `127.1.${(exchanges >> 8) & 255}.${exchanges & 255 || 1}`;
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect({ port, host: "127.0.0.1", localAddress }, () => socket.write(bytes));
    socket.setTimeout(timeoutMs, () => socket.destroy());
    socket.on("data", (data) => parts.push(data));
    socket.on("close", () => resolve(Buffer.concat(parts)));
    socket.on("error", (error) => ((error as { code?: string }).code === "ECONNRESET" ? undefined : reject(error)));
  });
}

export type RawReply = { ok?: Record<string, unknown>; error?: string; message?: string };

export class RawMinion implements Disposable {
  readonly id: string;
  readonly sign: nacl.SignKeyPair;
  readonly box: nacl.BoxKeyPair;
  readonly curve: nacl.BoxKeyPair;
  readonly bootId = randomBytes(8);
  readonly frames: Buffer[] = [];
  /** Every frame that came back on the request port, as it came. */
  readonly answers: Buffer[] = [];
  master: MasterRecord | undefined;
  counter = 0;
  topic = Buffer.alloc(16);
  publishKey = Buffer.alloc(32);
  #requests: Dealer | undefined;
  #publications: Subscriber | undefined;
  readonly #replies = new Map<string, (reply: RawReply) => void>();

  /** `keys`: such as public halves of another's. */
  constructor(id: string, keys: { sign?: nacl.SignKeyPair; box?: nacl.BoxKeyPair; curve?: nacl.BoxKeyPair } = {}) {
    this.id = id;
    this.sign = keys.sign ?? nacl.sign.keyPair();
    this.box = keys.box ?? nacl.box.keyPair();
    this.curve = keys.curve ?? nacl.box.keyPair();
  }

  /** As tools show it. */
  get fingerprint(): string {
    const hex = sha256(ascii("msalt fingerprint v1\0"), this.sign.publicKey).toString("hex");
    return hex.match(/../g)?.join(":") ?? "";
  }

  get keyId(): Buffer {
    return keyIdOf(this.sign.publicKey);
  }

  record(number = 1, id = Buffer.from(this.id)): Buffer {
    const head = Buffer.alloc(6);
    head[0] = 2;
    head.writeUInt32BE(number, 1);
    head[5] = id.length;
    const body = Buffer.concat([
      ascii("msalt key record v1\0"),
      head,
      id,
      this.sign.publicKey,
      this.box.publicKey,
      this.curve.publicKey,
    ]);
    return Buffer.concat([body, nacl.sign.detached(body, this.sign.secretKey)]);
  }

  enrolRequest(options: { token?: string; record?: Buffer; pin?: Buffer } = {}): Buffer {
    const record = options.record ?? this.record();
    const nonce = randomBytes(32);
    const label = ascii("msalt enrolment token v1\0");
    const proof =
      options.token === undefined
        ? Buffer.alloc(32)
        : createHmac("sha256", sha256(label, Buffer.from(options.token)))
            .update(label)
            .update(record)
            .update(nonce)
            .digest();
    const body = Buffer.concat([
      ascii("mE"),
      Buffer.from([1]),
      u16(record.length),
      record,
      nonce,
      options.pin ?? Buffer.alloc(32),
      proof,
    ]);
    const signature = nacl.sign.detached(
      Buffer.concat([ascii("msalt enrolment request v1\0"), body]),
      this.sign.secretKey,
    );
    return Buffer.concat([body, signature]);
  }

  /** State that the master answers with; undefined when it closes without an answer. Checks the reply's signature. */
  async enrol(
    port: number,
    options: { token?: string; record?: Buffer; pin?: Buffer } = {},
  ): Promise<number | undefined> {
    const request = this.enrolRequest(options);
    const reply = await exchange(port, request);
    if (reply.length === 0) return undefined;
    const size = reply.readUInt16BE(4);
    const master = readRecord(reply.subarray(6, 6 + size));
    const signed = Buffer.concat([ascii("msalt enrolment reply v1\0"), reply.subarray(0, 6 + size), sha256(request)]);
    if (!nacl.sign.detached.verify(signed, reply.subarray(6 + size), master.sign))
      throw new Error("reply is not signed by the master");
    this.master = master;
    return reply[3];
  }

  connect(ports: Record<string, number>, routingId?: string): void {
    const master = this.master;
    if (master === undefined) throw new Error("enrol first");
    const curve = {
      curveServerKey: z85(master.curve),
      curvePublicKey: z85(this.curve.publicKey),
      curveSecretKey: z85(this.curve.secretKey),
      linger: 0,
    };
    this[Symbol.dispose]();
    const requests = new Dealer({ ...curve, sendTimeout: 0, ...(routingId !== undefined && { routingId }) });
    requests.connect(`tcp://127.0.0.1:${ports["ret_port"]}`);
    const publications = new Subscriber(curve);
    publications.connect(`tcp://127.0.0.1:${ports["publish_port"]}`);
    this.#requests = requests;
    this.#publications = publications;
    void (async () => {
      for await (const [frame] of requests) {
        if (frame === undefined) continue;
        this.answers.push(frame);
        this.#onReply(frame);
      }
    })();
    void (async () => {
      for await (const [frame] of publications) if (frame !== undefined) this.frames.push(frame);
    })();
  }

  subscribe(prefix: Buffer): void {
    this.#publications?.subscribe(prefix);
  }

  /** Sends one message of these parts as soon as the connection takes it. */
  async sendFrames(...frames: Uint8Array[]): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.#requests?.send(frames.map((frame) => Buffer.from(frame)));
      } catch (failure) {
        if (tries > 150) throw failure;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** A request frame around any body; every part of it can be replaced. */
  frame(
    body: Uint8Array,
    change: {
      type?: number;
      inner?: number;
      keyId?: Buffer;
      innerKeyId?: Buffer;
      requestId?: Buffer;
      counter?: number;
    } = {},
  ): Buffer {
    const master = this.master;
    if (master === undefined) throw new Error("enrol first");
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(change.counter ?? (this.counter += 1)));
    const inner = Buffer.concat([
      Buffer.from([change.inner ?? 1]),
      change.innerKeyId ?? this.keyId,
      change.requestId ?? randomBytes(16),
      this.bootId,
      counter,
      body,
    ]);
    const nonce = randomBytes(24);
    const box = nacl.box(inner, nonce, master.box, this.box.secretKey);
    return Buffer.concat([ascii("mS"), Buffer.from([1, change.type ?? 1]), change.keyId ?? this.keyId, nonce, box]);
  }

  /** Asks with raw body bytes; undefined when nothing comes back in time. */
  async askBytes(body: Uint8Array, timeoutMs = 10_000, counter?: number): Promise<RawReply | undefined> {
    const requestId = randomBytes(16);
    const frame = this.frame(body, { requestId, ...(counter !== undefined && { counter }) });
    const answer = new Promise<RawReply>((resolve) => this.#replies.set(requestId.toString("hex"), resolve));
    await this.sendFrames(frame).catch(() => undefined);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, timeoutMs, undefined)));
    const reply = await Promise.race([answer, late]);
    clearTimeout(timer);
    return reply;
  }

  ask(load: Record<string, unknown>, timeoutMs?: number): Promise<RawReply | undefined> {
    return this.askBytes(encode(load), timeoutMs);
  }

  hello(ledger = Buffer.alloc(16, 7), count = 0, timeoutMs?: number): Promise<RawReply | undefined> {
    const load = { cmd: "hello", protocol: 1, version: "raw", ledger: { id: ledger, count } };
    return this.ask(load, timeoutMs).then((reply) => {
      const { topic, publishKey } = reply?.ok ?? {};
      if (topic instanceof Uint8Array) this.topic = Buffer.from(topic);
      if (publishKey instanceof Uint8Array) this.publishKey = Buffer.from(publishKey);
      return reply;
    });
  }

  /** Hello, subscription, first sync: what a minion does to be counted as connected. */
  async online(): Promise<void> {
    const reply = await this.hello(undefined, undefined, 20_000);
    if (reply?.ok === undefined) throw new Error(`hello: ${JSON.stringify(reply)}`);
    // Frames of sessions before this one may be there already.
    const isReady = (): boolean => this.frames.some((frame) => frame.subarray(0, 16).equals(this.topic));
    this.subscribe(this.topic);
    for (let waited = 20; !isReady(); waited += 20) {
      if (waited > 30_000) throw new Error("no ready frame");
      // A subscription that comes before the publisher knows of the session is not answered.
      if (waited % 3000 === 0) {
        this.#publications?.unsubscribe(this.topic);
        this.subscribe(this.topic);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.ask({ cmd: "sync" }, 20_000);
  }

  result(jid: string, value: unknown, more: Record<string, unknown> = {}): Record<string, unknown> {
    const data = encode(value);
    return {
      cmd: "job.return",
      jid,
      fun: "test.ping",
      retcode: 0,
      success: true,
      state: "succeeded",
      total: data.length,
      offset: 0,
      sha256: sha256(data),
      data,
      ...more,
    };
  }

  /** Opens a publication frame of this session: the order, or undefined for `ready`. */
  openOrder(
    frame: Buffer,
  ): { jid: string; order: Record<string, unknown>; bytes: Buffer; signature: Buffer } | undefined {
    const size = frame.readUInt16BE(44);
    const wrap = nacl.secretbox.open(frame.subarray(46, 46 + size), frame.subarray(20, 44), this.publishKey);
    if (wrap === null) throw new Error("the wrap does not open");
    if (frame[19] === 1) return undefined;
    const body = frame.subarray(46 + size);
    const bytes = nacl.secretbox.open(body.subarray(24), body.subarray(0, 24), wrap.subarray(28, 60));
    if (bytes === null || !sha256(body).equals(Buffer.from(wrap.subarray(60, 92))))
      throw new Error("the body does not open");
    return {
      jid: Buffer.from(wrap.subarray(8, 28)).toString(),
      order: decode(bytes) as Record<string, unknown>,
      bytes: Buffer.from(bytes),
      signature: Buffer.from(wrap.subarray(92)),
    };
  }

  #onReply(frame: Buffer): void {
    const master = this.master;
    if (master === undefined || frame[3] !== 2) return;
    const inner = nacl.box.open(frame.subarray(44), frame.subarray(20, 44), master.box, this.box.secretKey);
    if (inner === null || inner[0] !== 2 || !Buffer.from(inner.subarray(1, 17)).equals(keyIdOf(master.sign))) return;
    const resolve = this.#replies.get(Buffer.from(inner.subarray(17, 33)).toString("hex"));
    resolve?.(decode(inner.subarray(49)) as RawReply);
  }

  [Symbol.dispose](): void {
    this.#requests?.close();
    this.#publications?.close();
  }
}
