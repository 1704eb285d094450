/** The event bus on `events.sock`: what is said in the controller reaches whoever listens, and costs nothing where nobody does. */
import { messageOf } from "../../errors.ts";
import { type Event, type EventBus, encodeEvent } from "../../event/bus.ts";
import { failpoint } from "../../lib/failpoint.ts";
import { Gather } from "../../lib/gather.ts";
import type { Log } from "../../log/log.ts";
import { bindPublisher } from "../../transport/channel.ts";
import { encode } from "../../wire/codec.ts";
import { limits } from "../../wire/limits.ts";
import { eventChannel } from "../../wire/tags.ts";

/** What libzmq takes to hold two frames. */
const twoFramesBytes = 200;

export class Outlet {
  /** By what tags begin with: how many listen, and how many events they have been sent, by which one sees that it missed some. */
  readonly #listeners = new Map<string, { count: number; sent: number }>();
  readonly #bus: EventBus;
  readonly #send: (frames: Uint8Array[]) => void;
  readonly #events = new Gather<Event>(0, (events) => this.#publish(events));
  readonly #take = (event: Event): void => this.#events.add(event);

  constructor(bus: EventBus, send: (frames: Uint8Array[]) => void) {
    this.#bus = bus;
    this.#send = send;
  }

  /** Sends what `bus` says, while somebody listens. */
  static async bind(socket: string, bus: EventBus, log: Log): Promise<{ close(): void }> {
    const outlet: Outlet = new Outlet(bus, (frames) => void channel.send(frames));
    const channel = await bindPublisher(`ipc://${socket}`, {
      sendHighWaterMark: limits.eventSubscriberBacklog,
      onError: (failure) => log.warn("event bus", { failure: messageOf(failure) }),
      onSubscribe: (topic) => topic.at(-1) === 0,
      onSubscribed: (topic) => outlet.listen(topic, 1),
      onUnsubscribed: (topic) => outlet.listen(topic, -1),
    });
    return channel;
  }

  /** One listener of a channel more, who is told that it misses nothing from here on, or one less. */
  listen(topic: Uint8Array, change: 1 | -1): void {
    const prefix = Buffer.from(topic.subarray(0, -1)).toString();
    const channel = this.#listeners.get(prefix) ?? { count: 0, sent: 0 };
    channel.count += change;
    if (channel.count > 0) this.#listeners.set(prefix, channel);
    else this.#listeners.delete(prefix);
    this.#bus.off("event", this.#take);
    if (this.#listeners.size > 0) this.#bus.on("event", this.#take);
    if (change > 0) this.#send([topic, encode(channel.sent)]);
  }

  #publish(events: readonly Event[]): void {
    const encoded = new Map<Event, Uint8Array>();
    for (const [prefix, channel] of this.#listeners) {
      let frames: Uint8Array[] = [];
      let bytes = 0;
      const send = (): void => {
        if (frames.length === 0) return;
        failpoint("events.send");
        this.#send([eventChannel(prefix), encode(channel.sent), ...frames]);
        channel.sent += frames.length / 2;
        frames = [];
        bytes = 0;
      };
      for (const event of events) {
        if (!event.tag.startsWith(prefix)) continue;
        const payload = encoded.get(event) ?? encodeEvent(event);
        encoded.set(event, payload);
        const tag = Buffer.from(event.tag);
        const size = tag.length + payload.length + twoFramesBytes;
        if (bytes + size > limits.eventMessageBytes) send();
        bytes += size;
        frames.push(tag, payload);
      }
      send();
    }
  }
}
