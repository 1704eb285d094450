import { EventEmitter } from "eventemitter3";
import { encode, encodeWithRaw } from "../wire/codec.ts";

/** One event inside a process. `raw`: an already encoded value that goes in under the name `return`. */
export interface Event {
  readonly tag: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly raw?: Uint8Array;
}

/** Where the parts of the controller announce what happened, after it is durable. Listeners must not throw. */
export class EventBus extends EventEmitter<{ event: [Event] }> {
  /** False while nobody listens: then there is nothing to make an event for. */
  get isHeard(): boolean {
    return this.listenerCount("event") > 0;
  }

  /** @param stamp UTC, ISO 8601, as Salt's `_stamp` */
  fire(event: Event, stamp: string): void {
    this.emit("event", { ...event, data: { ...event.data, _stamp: stamp } });
  }
}

/** The payload of an event as it goes over the bus: one MessagePack map. */
export function encodeEvent({ data, raw }: Event): Uint8Array {
  return raw === undefined ? encode(data) : encodeWithRaw(data, "return", raw);
}
