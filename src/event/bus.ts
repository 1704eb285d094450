import { EventEmitter } from "eventemitter3";
import { encode, encodeWithRaw } from "../wire/codec.ts";
import { limits } from "../wire/limits.ts";
import { trimmedValue } from "../wire/local.ts";

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

const smallValueBytes = 1024;
const trimmedRaw = encode(trimmedValue);

/** The payload of an event as it goes over the bus: one MessagePack map. One that is too large has large values trimmed, first the result. */
export function encodeEvent({ data, raw }: Event): Uint8Array {
  const max = limits.eventMessageBytes;
  const all = (values: Event["data"], result: Uint8Array | undefined): Uint8Array =>
    result === undefined ? encode(values) : encodeWithRaw(values, "return", result);
  const whole = raw === undefined || raw.length <= max ? all(data, raw) : undefined;
  if (whole !== undefined && whole.length <= max) return whole;
  const short = raw !== undefined && raw.length > smallValueBytes ? trimmedRaw : raw;
  if (short !== raw) {
    const withoutResult = all(data, short);
    if (withoutResult.length <= max) return withoutResult;
  }
  const trimmed = Object.entries(data).map(([name, value]) => [
    name,
    encode(value).length > smallValueBytes ? trimmedValue : value,
  ]);
  return all(Object.fromEntries(trimmed) as Event["data"], short);
}
