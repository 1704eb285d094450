/** A load generator in a process of its own: called by name, one answer to each call. Both ends are here. */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { messageOf } from "../src/errors.ts";

/** What a generator can do: by name what it is given and what it answers. */
export type Calls<C> = { readonly [N in keyof C]: { readonly load: unknown; readonly answer: unknown } };

interface Asked {
  readonly n: number;
  readonly what: string;
  readonly load: unknown;
}
type Answered = { readonly n: number; readonly ok: unknown } | { readonly n: number; readonly failed: string };

export class LoadProcess<C extends Calls<C>> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting = new Map<number, (answer: Answered) => void>();
  #count = 0;

  /** `script`: name of a file in bench/load, without its ending. */
  constructor(script: string) {
    this.#child = fork(join(process.cwd(), "node_modules/.cache/msalt-bench/bundle/load", `${script}.js`), [], {
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      env: { ...process.env, UV_THREADPOOL_SIZE: "8" },
    });
    this.#child.on("message", (answer: Answered) => {
      this.#waiting.get(answer.n)?.(answer);
      this.#waiting.delete(answer.n);
    });
    this.#ended = new Promise((resolve) =>
      this.#child.once("exit", (code, signal) => {
        const failed = `the load generator ${script} ended: ${signal ?? `exit status ${code}`}`;
        for (const [n, answer] of this.#waiting) answer({ n, failed });
        resolve();
      }),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async call<N extends keyof C & string>(what: N, load: C[N]["load"]): Promise<C[N]["answer"]> {
    const n = (this.#count += 1);
    const answer = await new Promise<Answered>((resolve) => {
      this.#waiting.set(n, resolve);
      this.#child.send({ n, what, load } satisfies Asked, (failure) => {
        if (failure !== null) resolve({ n, failed: messageOf(failure) });
      });
    });
    if ("failed" in answer) throw new Error(answer.failed);
    return answer.ok;
  }

  /** Its own end would wait for sockets; nothing of it is worth keeping. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** The generator's end. It lives as long as its parent. */
export function serveParent<C extends Calls<C>>(handlers: {
  readonly [N in keyof C]: (load: C[N]["load"]) => Promise<C[N]["answer"]>;
}): void {
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
  process.on("message", ({ n, what, load }: Asked) => {
    const handler = handlers[what as keyof C];
    void handler(load).then(
      (ok) => process.send?.({ n, ok } satisfies Answered),
      (failure: unknown) => process.send?.({ n, failed: messageOf(failure) } satisfies Answered),
    );
  });
}

/** Milliseconds by a clock that all processes of a machine share. */
export const sharedNow = (): number => Number(process.hrtime.bigint()) / 1e6;

/** User and system time of this process so far, in milliseconds. */
export function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
