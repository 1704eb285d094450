/** Things made wrong on purpose: each must be found, and by the invariant that is there for it. */
import { EventBus } from "../../src/event/bus.ts";
import { OpenJob } from "../../src/job/open-job.ts";
import { Committer } from "../../src/master/controller/committer.ts";
import { Delivery } from "../../src/master/controller/delivery.ts";
import { Fronts } from "../../src/master/controller/fronts.ts";
import { Jobs } from "../../src/master/controller/jobs.ts";
import { Orders } from "../../src/master/controller/orders.ts";
import { Presence } from "../../src/master/controller/presence.ts";
import { Verifier } from "../../src/crypto/primitives.ts";
import { Ledger } from "../../src/minion/ledger.ts";
import { Outbox } from "../../src/minion/outbox.ts";
import { nonces } from "./stand-ins.ts";
import type { World } from "./world.ts";

export interface Bug {
  readonly name: string;
  /** What the violation begins with. */
  readonly found: RegExp;
  /** Gives back what mends it. */
  readonly plant: (world: World) => () => void;
}

/** Replaces a method for a while. */
function patch<T extends object, K extends keyof T>(
  of: { readonly prototype: T },
  name: K,
  make: (original: T[K]) => T[K],
): () => void {
  const original = of.prototype[name];
  of.prototype[name] = make(original);
  return () => void (of.prototype[name] = original);
}

const nothing = (): void => undefined;

export const bugs: readonly Bug[] = [
  {
    name: "START is not synced",
    found: /^I1/,
    plant: ({ minions }) => {
      for (const { disk } of minions) disk.isLying = true;
      return nothing;
    },
  },
  {
    name: "a job or a result is acknowledged before it is stored",
    found: /^I[23]/,
    plant: ({ records }) => {
      records.isHasty = true;
      return nothing;
    },
  },
  { name: "a replay is run", found: /^I1/, plant: () => patch(Ledger, "seen", () => () => "no") },
  {
    name: "an order is taken whomever it was signed for",
    found: /^I1/,
    plant: () => patch(Verifier, "verify", () => () => true),
  },
  {
    name: "a target that has ended runs again",
    found: /^I4/,
    plant: () =>
      patch(
        OpenJob,
        "apply",
        (original) =>
          function apply(this: OpenJob, id, event) {
            const target = this.targets.get(id);
            if (event.is !== "started" || target?.retcode === undefined) return original.call(this, id, event);
            return { ...target, state: "running" };
          },
      ),
  },
  {
    name: "the failure budget is not looked at",
    found: /^budget/,
    plant: () => patch(OpenJob, "spent", () => () => undefined),
  },
  {
    name: "a stop is not heeded",
    found: /^stop/,
    plant: () =>
      patch(
        Orders,
        "of",
        (original) =>
          function of(this: Orders, { job }, target, now) {
            return original.call(this, { job, stop: undefined } as OpenJob, target, now);
          },
      ),
  },
  {
    name: "a batch goes on before that is written",
    found: /^batch/,
    plant: () =>
      patch(
        Committer,
        "commit",
        (original) =>
          async function commit(this: Committer, writes, when, before) {
            const isTurn =
              writes.length > 0 && writes.every((each) => each.kind === "target" && each.target.state === "sent");
            const written = original.call(this, writes, when, before);
            if (isTurn) void written.catch(nothing);
            else await written;
          },
      ),
  },
  { name: "nothing expires", found: /^I5/, plant: () => patch(Jobs, "tick", () => async () => undefined) },
  {
    name: "a stored result is not shown",
    found: /^I6/,
    plant: ({ records }) => {
      records.isBlind = true;
      return patch(EventBus, "fire", () => nothing);
    },
  },
  {
    name: "a deleted key is served",
    found: /^I7/,
    plant: () => patch(Fronts, "updateKeys", () => async () => undefined),
  },
  {
    name: "a minion is given another's orders",
    found: /^I8/,
    plant: ({ minions }) =>
      patch(
        Delivery,
        "sync",
        (original) =>
          function sync(this: Delivery, id, keyId) {
            return original.call(this, minions.find((other) => other.id !== id)?.id ?? id, keyId);
          },
      ),
  },
  {
    name: "timers are left behind",
    found: /^I9/,
    plant: () =>
      patch(
        Outbox,
        "use",
        (original) =>
          function use(this: Outbox, link) {
            for (let n = 0; n < 20; n += 1) setTimeout(nothing, 86_400_000);
            original.call(this, link);
          },
      ),
  },
  {
    name: "a result is dropped when others wait",
    found: /^I3/,
    plant: () =>
      patch(
        Outbox,
        "add",
        (original) =>
          function add(this: Outbox, jid) {
            if (this.empty) original.call(this, jid);
          },
      ),
  },
  {
    name: "an event is lost in silence",
    found: /^I10/,
    plant: () => {
      const lost = new Map<string, number>();
      return patch(
        EventBus,
        "fire",
        (original) =>
          function fire(this: EventBus, event, stamp) {
            const [, , jid = "", kind] = event.tag.split("/");
            const before = lost.get(jid) ?? 0;
            if (kind === "ret" && before === 0) return void lost.set(jid, 1);
            const { _seq: number } = event.data;
            const data = typeof number === "number" ? { ...event.data, _seq: number - before } : event.data;
            original.call(this, { ...event, data }, stamp);
          },
      );
    },
  },
  {
    name: "a lower counter is accepted",
    found: /^W7: a \w+ is believed after/,
    plant: () => patch(Presence, "isNewest", () => () => true),
  },
  {
    name: "a retired worker is believed",
    found: /^W7: a front/,
    plant: () => {
      const known = new Map<string, string>();
      return patch(
        Fronts,
        "setLiving",
        (original) =>
          function setLiving(this: Fronts, living) {
            for (const { epoch, role } of living) known.set(epoch, role);
            original.call(
              this,
              [...known].map(([epoch, role]) => ({ epoch, role })),
            );
          },
      );
    },
  },
  {
    name: "a reply's nonce follows from its request's",
    found: /^J1/,
    plant: () => {
      nonces.areDerived = true;
      return () => void (nonces.areDerived = false);
    },
  },
];
