import { decodeTrusted, encode } from "../../wire/codec.ts";
import type { FromFront, KeyUpdate, ToFront } from "../../wire/front.ts";
import { type Channel, connectDealer } from "../../transport/channel.ts";

export interface FrontLinkOptions {
  /** Path of the controller's `minion.sock`. */
  readonly socket: string;
  readonly epoch: string;
  /** After each hello: what a controller that knows nothing must be told. */
  readonly onConnect?: () => void;
  /** The controller is gone: what it was asked will not be answered. */
  readonly onDisconnect?: () => void;
  /** Applied before it is acknowledged. */
  readonly onKeys: (update: KeyUpdate) => void;
  readonly onMessage: (message: Exclude<ToFront, KeyUpdate>) => void;
  readonly onError: (failure: unknown) => void;
}

/** A front process's one connection to the controller. It says hello on every connect, so a new controller gets to know it. */
export class FrontLink {
  readonly #channel: Channel;

  private constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Resolves when the controller has sent the keys for the first time. */
  static async connect(options: FrontLinkOptions): Promise<FrontLink> {
    let link: FrontLink | undefined;
    let markReady = (): void => undefined;
    const ready = new Promise<void>((resolve) => (markReady = resolve));
    const channel = await connectDealer(`ipc://${options.socket}`, {
      routingId: options.epoch,
      reconnectMs: { min: 20, max: 200 },
      sendHighWaterMark: 10_000,
      receiveHighWaterMark: 10_000,
      onError: options.onError,
      onLink: (state) => {
        if (state === "down") options.onDisconnect?.();
        if (state === "down" || link === undefined) return;
        void link.say({ is: "hello" });
        options.onConnect?.();
      },
      onMessage: ([frame]) => {
        if (frame === undefined) return;
        const message = decodeTrusted(frame) as ToFront;
        if (message.is !== "keys") return options.onMessage(message);
        options.onKeys(message);
        void link?.say({ is: "ack", n: message.n });
        markReady();
      },
    });
    link = new FrontLink(channel);
    await ready;
    return link;
  }

  /** False when there is no controller to hear it. */
  say(message: FromFront): Promise<boolean> {
    return this.#channel.send([encode(message)]);
  }

  close(): void {
    this.#channel.close();
  }
}
