/** A host of its own behind a link that can fail: a network namespace, joined to this one by a pair of virtual interfaces. */
import { spawnSync } from "node:child_process";
import type { TestContext } from "vitest";

function ip(...args: string[]): void {
  run("ip", args);
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr}`);
}

let made = 0;

export class Netns implements Disposable {
  readonly name: string;
  /** Of this side and of the other. */
  readonly address: string;
  readonly #other: string;
  readonly #link: string;

  /** @throws Error where that is not permitted. */
  constructor() {
    made += 1;
    const number = ((process.pid % 8000) * 4 + made) % 32_768;
    this.name = `msalt${process.pid}n${made}`;
    this.#link = `ms${process.pid}n${made}`;
    const subnet = `10.${200 + (number >> 13)}.${(number >> 5) & 255}.`;
    const first = (number & 31) * 8;
    this.address = `${subnet}${first + 1}`;
    this.#other = `${subnet}${first + 2}`;
    ip("netns", "add", this.name);
    try {
      ip("link", "add", this.#link, "type", "veth", "peer", "name", "eth0", "netns", this.name);
      ip("addr", "add", `${this.address}/29`, "dev", this.#link);
      ip("link", "set", this.#link, "up");
      this.#inside("ip", "addr", "add", `${this.#other}/29`, "dev", "eth0");
      this.#inside("ip", "link", "set", "eth0", "up");
      this.#inside("ip", "link", "set", "lo", "up");
    } catch (failure) {
      this[Symbol.dispose]();
      throw failure;
    }
  }

  /** Words before a command that is to run on the other side. */
  get prefix(): readonly string[] {
    return ["ip", "netns", "exec", this.name];
  }

  /** Nothing passes, and nobody is told. */
  down(): void {
    ip("link", "set", this.#link, "down");
  }

  up(): void {
    ip("link", "set", this.#link, "up");
  }

  /** What is sent on one way is lost. */
  lose(way: "up" | "down"): void {
    if (way === "down") ip("route", "add", "blackhole", `${this.#other}/32`);
    else this.#inside("ip", "route", "add", "blackhole", `${this.address}/32`);
  }

  deliver(way: "up" | "down"): void {
    if (way === "down") ip("route", "del", "blackhole", `${this.#other}/32`);
    else this.#inside("ip", "route", "del", "blackhole", `${this.address}/32`);
  }

  /** So many kbit/s each way, and what does not fit into 16 KiB is lost. */
  narrow(kbit: number): void {
    const how = ["root", "tbf", "rate", `${kbit}kbit`, "burst", "4kb", "limit", "16kb"];
    run("tc", ["qdisc", "replace", "dev", this.#link, ...how]);
    this.#inside("tc", "qdisc", "replace", "dev", "eth0", ...how);
  }

  widen(): void {
    run("tc", ["qdisc", "del", "dev", this.#link, "root"]);
    this.#inside("tc", "qdisc", "del", "dev", "eth0", "root");
  }

  #inside(...command: string[]): void {
    run("ip", ["netns", "exec", this.name, ...command]);
  }

  [Symbol.dispose](): void {
    // The link goes with its other end.
    for (const words of [
      ["netns", "del", this.name],
      ["link", "del", this.#link],
    ]) {
      try {
        ip(...words);
      } catch {
        // It was not made, or has gone.
      }
    }
  }
}

/** Skips the test where namespaces are not permitted. */
export function netnsOrSkip(context: TestContext): Netns {
  try {
    return new Netns();
  } catch (failure) {
    return context.skip(`network namespaces are not permitted here: ${(failure as Error).message}`);
  }
}
