import type { Jid, MinionId } from "../wire/ids.ts";
import type { Connection } from "./connection.ts";
import { keySeed, pack, seal, unpack, unseal } from "./rows.ts";
import { damaged } from "./store-error.ts";

/** A job's number in the file, and which of its targets is which. */
export interface Place {
  readonly job: number;
  readonly minions: readonly MinionId[];
  readonly index: ReadonlyMap<MinionId, number>;
}

/** What is remembered of jobs, counted in targets of about 60 bytes; a job itself costs about as much as ten. */
const keptCost = 200_000;
const jobCost = 10;

/** The integers that stand for minions and jobs in the file. */
export class Places {
  readonly #connection: Connection;
  readonly #numbers = new Map<MinionId, number>();
  readonly #names = new Map<number, MinionId>();
  readonly #places = new Map<Jid, Place>();
  #cost = 0;
  /** Minions first named in the transaction under way. */
  #fresh: MinionId[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
    for (const { minion, id, body } of connection.all("SELECT minion, id, body FROM minions")) {
      unpack(body, keySeed(String(id)), `minion ${String(id)}`);
      this.#know(Number(minion), id as MinionId);
    }
  }

  /** Number of a minion, made when it is first named. */
  minion(id: MinionId): number {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    const { lastInsertRowid } = this.#connection.run(
      "INSERT INTO minions (id, body) VALUES (?, ?)",
      id,
      pack({}, keySeed(id)),
    );
    this.#fresh.push(id);
    this.#know(Number(lastInsertRowid), id);
    return Number(lastInsertRowid);
  }

  find(jid: Jid): Place | undefined {
    const known = this.#places.get(jid);
    if (known !== undefined) return known;
    const row = this.#connection.get("SELECT job, minions FROM jobs WHERE jid = ?", jid);
    return row === undefined ? undefined : this.keep(jid, Number(row["job"]), this.unpackList(jid, row["minions"]));
  }

  keep(jid: Jid, job: number, minions: readonly MinionId[]): Place {
    const place = { job, minions, index: new Map(minions.map((id, at) => [id, at])) };
    this.#places.set(jid, place);
    this.#cost += minions.length + jobCost;
    for (const oldest of this.#places.keys()) {
      if (this.#cost <= keptCost || oldest === jid) break;
      this.drop(oldest);
    }
    return place;
  }

  drop(jid: Jid): void {
    const place = this.#places.get(jid);
    if (place !== undefined) this.#cost -= place.minions.length + jobCost;
    this.#places.delete(jid);
  }

  packList(jid: Jid, minions: readonly MinionId[]): Uint8Array {
    const numbers = Uint32Array.from(minions, (id) => this.minion(id));
    return seal(new Uint8Array(numbers.buffer), keySeed(jid));
  }

  unpackList(jid: Jid, packed: unknown): MinionId[] {
    const bytes = unseal(packed, keySeed(jid), `the targets of job ${jid}`);
    return Array.from(new Uint32Array(bytes.slice().buffer), (number) => {
      const id = this.#names.get(number);
      if (id === undefined) throw damaged(`job ${jid} has a target that is no minion of this record`);
      return id;
    });
  }

  /** How many minions a packed list names. */
  listSize(jid: Jid, packed: unknown): number {
    return unseal(packed, keySeed(jid), `the targets of job ${jid}`).length / Uint32Array.BYTES_PER_ELEMENT;
  }

  /** The transaction is over: what was learnt in it is true, or is forgotten. */
  settle(isWritten: boolean): void {
    if (!isWritten) {
      for (const id of this.#fresh) {
        this.#names.delete(this.#numbers.get(id) ?? 0);
        this.#numbers.delete(id);
      }
      this.#places.clear();
      this.#cost = 0;
    }
    this.#fresh = [];
  }

  #know(number: number, id: MinionId): void {
    this.#numbers.set(id, number);
    this.#names.set(number, id);
  }
}
