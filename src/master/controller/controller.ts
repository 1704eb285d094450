/**
 * The one owner of job state, store, key store and signing key (DESIGN §3). Has no network socket: minions speak to it through
 * the workers, operators through `local.sock`; it orders the publisher about and announces everything on the event bus.
 */
import { mkdirSync, statfsSync } from "node:fs";
import { PublisherAcl } from "../../acl/publisher-acl.ts";
import type { MasterConfig } from "../../config/master.ts";
import { loadOwnRecord, loadSecret } from "../../crypto/keystore.ts";
import { Signer, formatFingerprint, fingerprintOf, randomBytes } from "../../crypto/primitives.ts";
import { MsaltError, messageOf } from "../../errors.ts";
import { EventBus } from "../../event/bus.ts";
import { type Running, tell } from "../../lib/child.ts";
import { masterSockets } from "../../lib/sockets.ts";
import { steadyClock } from "../../lib/steady-clock.ts";
import type { Log } from "../../log/log.ts";
import type { JobStore, MinionRow } from "../../store/job-store.ts";
import { openSqliteStore } from "../../store/sqlite.ts";
import { resolveTarget } from "../../target/target.ts";
import { encodeKeyRecord } from "../../wire/key-record.ts";
import { type KeyId, type MinionId, timeOf } from "../../wire/ids.ts";
import { limits } from "../../wire/limits.ts";
import { tags } from "../../wire/tags.ts";
import { AuditLog } from "./audit.ts";
import { Committer } from "./committer.ts";
import { Fronts } from "./fronts.ts";
import { Jobs } from "./jobs.ts";
import { fingerprintHex } from "./key-table.ts";
import { type KeyChange, Keyring } from "./keyring.ts";
import { LiveOutput } from "./live-output.ts";
import { listenLocal } from "./local-server.ts";
import { type LocalContext, localHandlers } from "./local-commands.ts";
import { MinionCommands } from "./minion-commands.ts";
import { Orders } from "./orders.ts";
import { Outlet } from "./outlet.ts";
import { Peers } from "./peers.ts";
import { PillarFiles } from "./pillar-files.ts";
import { Pillars } from "./pillars.ts";
import { Presence } from "./presence.ts";
import { startRetention } from "./retention.ts";
import { admitUser, userCommands } from "./user-commands.ts";
import { makeUserFolder, removeUserFolder } from "./user-proof.ts";
import { listenUsers } from "./user-server.ts";

const tickMs = 1000;
const rememberMs = 60_000;

export async function startController(config: MasterConfig, log: Log): Promise<Running> {
  const sockets = masterSockets(config.sockDir);
  const acl = aclOf(config);
  // First, so that others can come through the folders above it.
  if (hasUsers(config)) makeUserFolder(sockets.users);
  else removeUserFolder(sockets.users);
  for (const dir of [config.sockDir, config.dataDir]) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const store = await openSqliteStore(`${config.dataDir}/jobs.sqlite`);
  const minions = await store.minions();
  const now = steadyClock(await latestTime(store, minions), Date.now, () => performance.now());
  const signer = new Signer(loadSecret(config.pkiDir, "master", "sign"));
  const masterRecord = loadOwnRecord(config.pkiDir, "master");
  const busId = Buffer.from(randomBytes(8)).toString("hex");
  const bus = new EventBus();
  const fire = (tag: string, data: Record<string, unknown>): void =>
    bus.fire({ tag, data }, new Date(now()).toISOString());

  const keyring = new Keyring({
    dir: config.pkiDir,
    signer,
    record: masterRecord,
    autoAccept: config.autoAccept,
    now,
    log,
  });
  const acceptedIds = (): ReadonlyMap<MinionId, KeyId> =>
    new Map(
      [...keyring.accepted()].map(([keyId, { id }]) => [id, keyId] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
  let sorted: ReadonlyMap<MinionId, KeyId> | undefined;
  /** Made anew when it is asked for, not for each key of a crowd that enrols. */
  const accepted = (): ReadonlyMap<MinionId, KeyId> => (sorted ??= acceptedIds());
  const presence = new Presence(now, ({ id }, connected) => {
    fire(tags.presenceChange, { new: connected ? [id] : [], lost: connected ? [] : [id] });
    if (connected) jobs.connected(id);
  });
  const rows = new Map(minions.map((row) => [row.id, row]));
  for (const [id, keyId] of accepted()) {
    const link = presence.of(id, keyId, rows.get(id));
    presence.learn(link, await store.grains(id));
    link.mine = await store.mine(id);
  }

  // A record that can be neither written nor read: another start may do better than this process.
  const committer = new Committer(store, () => jobs.load().catch(() => process.exit(1)));
  const audit = new AuditLog(`${config.dataDir}/audit.log`, now);
  const orders = new Orders(signer);
  const pillars = new Pillars({ files: new PillarFiles(config.pillarDirs), nodegroups: config.nodegroups, log });
  const jobs: Jobs = new Jobs({
    store,
    committer,
    bus,
    presence,
    orders,
    now,
    busId,
    log,
    nodegroups: config.nodegroups,
    withPillar: (candidates) => pillars.withPillar(candidates),
    accepted,
    toPublisher: (message) => fronts.toPublisher(message),
  });
  await jobs.load();
  const hasRoom = (share: number): boolean => freeShare(config.dataDir) > share;
  // Looked at once a second, not for each of thousands of answers.
  let free = { share: 1, at: Number.NEGATIVE_INFINITY };
  const hadRoom = (share: number): boolean => {
    const now = performance.now();
    if (free.at < now - tickMs) free = { share: freeShare(config.dataDir), at: now };
    return free.share > share;
  };
  const output = new LiveOutput({
    dir: `${config.dataDir}/live`,
    now,
    find: (jid) => jobs.find(jid),
    hasRoom: () => hasRoom(limits.diskRefuseJobs),
    send: (jid, each) => void jobs.delivery.send(jid, [...each.keys()], (id) => each.get(id)),
  });
  const minionCommands = new MinionCommands({
    jobs,
    output,
    presence,
    pillars,
    committer,
    store,
    bus,
    log,
    now,
    masterRecord: () => encodeKeyRecord(masterRecord),
    minionOf: (keyId) => keyring.byKeyId(keyId)?.id,
    toPublisher: (message) => fronts.toPublisher(message),
    peers: new Peers({ rules: config.peer, jobs, store, bus, audit }),
    takesReturns: () => hadRoom(limits.diskRefuseReturns),
    takesFiles: () => hadRoom(limits.diskRefuseJobs),
  });

  const fronts = await Fronts.listen({
    socket: sockets.minion,
    log,
    allKeys: () =>
      [...keyring.accepted()].map(([keyId, { id, record }]) => ({ keyId, id, box: record.box, curve: record.curve })),
    // Each minion sees its connection break and says hello anew; those that were quicker than the new publisher are handed on.
    onPublisherGone: () => presence.publisherLost(),
    toldFirst: () => ({ is: "sessions", sessions: [...presence.sessions()] }),
    kill: (epoch) => tell({ kill: epoch }),
    onMessage: (message, reply) => {
      if (message.is === "calls") {
        for (const call of message.calls) {
          void minionCommands
            .handle(call)
            .then((answer) => reply({ is: "replies", replies: [{ n: call.n, reply: answer }] }));
        }
      } else if (message.is === "enrol") {
        const answer = keyring.enrol(message.request, message.address);
        reply({ is: "enrolled", n: message.n, reply: answer ?? null });
      } else {
        const link = presence.find(keyring.byKeyId(message.keyId)?.id ?? ("" as MinionId));
        const isAdopted = link !== undefined && message.up && presence.adopt(link, message.topic);
        if (!isAdopted) presence.setLink(message.topic, message.up);
        // What came between its `sync` and this was published to nobody.
        if (link !== undefined && message.up && (isAdopted || link.synced)) jobs.delivery.resend(link.id);
      }
    },
  });

  /** Store first, then every front process, and only then does the caller hear that it is done (DESIGN §5.3). */
  const pending = new Set<Promise<void>>();
  keyring.onChange((change: KeyChange) => {
    const { id, act, keyId, record, acceptedBy } = change;
    const byOperator = act === "accept" || act === "reject" || act === "delete";
    sorted = undefined;
    if (act === "accept") {
      presence.of(id, keyId);
      follow(fronts.updateKeys({ add: [{ keyId, id, box: record.box, curve: record.curve }], remove: [] }));
    } else if (act === "reject" || act === "delete") {
      if (presence.find(id)?.keyId === keyId) {
        presence.forget(id);
        pillars.forget(id);
        follow(jobs.abandon(id, `the key of this minion was ${act === "delete" ? "deleted" : "rejected"}`));
      }
      follow(fronts.updateKeys({ add: [], remove: [keyId] }));
      if (act === "delete" && !accepted().has(id)) follow(committer.commit([{ kind: "forget", id }]));
    }
    if (acceptedBy !== undefined) {
      // The act was to make the token or to configure auto_accept; this is what came of it.
      const who = { user: id, how: acceptedBy, act: "key.accept", minions: [id] } as const;
      follow(audit.record({ ...who, arg: [fingerprintHex(record)], outcome: "accepted" }));
    }
    const done = { accept: "accepted", reject: "rejected", delete: "delete", pend: "pend", denied: "denied" } as const;
    if (byOperator) fire(tags.key, { id, act, status: done[act], result: true });
    else fire(tags.auth, { id, act, result: act === "pend", pub: formatFingerprint(fingerprintOf(record.sign)) });
  });
  function follow(work: Promise<void>): void {
    const settled = work.catch((failure: unknown) => log.error("key change", { failure: messageOf(failure) }));
    pending.add(settled);
    void settled.finally(() => pending.delete(settled));
  }

  const events = await Outlet.bind(sockets.events, bus, log);

  const context: LocalContext = {
    jobs,
    acl,
    audit,
    keyring,
    presence,
    pillars,
    store,
    fire,
    output,
    ownFingerprint: formatFingerprint(fingerprintOf(masterRecord.sign)),
    accepted,
    keysSettled: async (act) => {
      await Promise.all(pending);
      // Also when there was nothing to do: a controller before this one may have died before all had heard of it.
      if (act !== "accept") await fronts.settled();
    },
    checkDisk: () => {
      if (!hasRoom(limits.diskRefuseJobs)) {
        throw new MsaltError(
          "ERR_DISK_FULL",
          `less than 5 % of the disk of ${config.dataDir} is free; no new job is accepted`,
          {
            hint: "make room there; results of running jobs are still taken",
          },
        );
      }
    },
  };
  const handlers = localHandlers(context);
  const local = await listenLocal({ socket: sockets.local, secretFile: sockets.secret, log, handlers });
  const users = hasUsers(config)
    ? await listenUsers({
        dir: sockets.users,
        log,
        admit: (user) => admitUser(acl, user),
        serve: userCommands(context, handlers),
      })
    : undefined;

  // "Not connected since" must be true after a crash too, to the minute.
  const remember = (): Promise<void> => {
    const writes = presence.rows().map((minion) => ({ kind: "minion", minion }) as const);
    return committer.commit(writes).catch((failure: unknown) => {
      log.warn("cannot write down who was seen when", { failure: messageOf(failure) });
    });
  };
  const remembering = setInterval(() => void remember(), rememberMs);
  const tick = setInterval(() => {
    presence.tick();
    keyring.tick();
    output.tick();
    void jobs.tick().catch((failure: unknown) => log.warn("cannot end overdue jobs", { failure: messageOf(failure) }));
  }, tickMs);
  const stopRetention = startRetention({ store, keepMs: config.keepJobsMs, log, now });

  return {
    onFronts: (living) => fronts.setLiving(living),
    close: async () => {
      clearInterval(tick);
      clearInterval(remembering);
      await remember();
      stopRetention();
      local.close();
      users?.close();
      fronts.close();
      await committer.idle();
      await audit.close();
      events.close();
      await store.close();
    },
  };
}

function hasUsers({ publisherAcl }: MasterConfig): boolean {
  return Object.keys(publisherAcl).length > 0;
}

/** @throws MsaltError `ERR_CONFIG_INVALID` for a broken expression: a rule that cannot be read must not be passed over. */
function aclOf({ publisherAcl, publisherAclBlacklist, nodegroups }: MasterConfig): PublisherAcl {
  try {
    const acl = new PublisherAcl(publisherAcl, publisherAclBlacklist);
    for (const target of acl.targets) resolveTarget(target, "compound", [], { nodegroups });
    return acl;
  } catch (cause) {
    throw new MsaltError("ERR_CONFIG_INVALID", `publisher_acl: ${messageOf(cause)}`, {}, { cause });
  }
}

/** The latest time that the record speaks of: this process must not name an earlier one. */
async function latestTime(store: JobStore, minions: readonly MinionRow[]): Promise<number> {
  const last = await store.lastJid();
  return Math.max(last === undefined ? 0 : timeOf(last), ...minions.map(({ lastSeen = 0 }) => lastSeen));
}

/** Part of the file system under `dir` that is free, 0 to 1; 1 where it cannot be told. */
function freeShare(dir: string): number {
  try {
    const { bavail, blocks } = statfsSync(dir);
    return blocks === 0 ? 1 : bavail / blocks;
  } catch {
    return 1;
  }
}
