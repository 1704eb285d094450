/** A client that publishes jobs to one minion that is away, so many at a time. */
import { LocalClient } from "../../src/client/local.ts";
import { serveParent, sharedNow } from "../load-process.ts";

export interface JobCalls {
  connect: { load: { sockDir: string }; answer: undefined };
  /** For `ms`; `tgt` is the id. */
  publish: { load: { tgt: string; window: number; ms: number }; answer: { jobs: number; ms: number } };
}

let client: LocalClient | undefined;

serveParent<JobCalls>({
  connect: async ({ sockDir }) => {
    client = await LocalClient.connect(sockDir);
    await client.call("job.active", {});
    return undefined;
  },
  publish: async ({ tgt, window, ms }) => {
    const start = sharedNow();
    let jobs = 0;
    const one = async (): Promise<void> => {
      while (sharedNow() < start + ms) {
        const load = { tgt, tgtType: "list", fun: "test.ping", arg: [], user: "bench", waitMs: 0 } as const;
        await client?.call("publish", { ...load, arg: [] });
        jobs += 1;
      }
    };
    await Promise.all(Array.from({ length: window }, one));
    return { jobs, ms: sharedNow() - start };
  },
});
