import { MsaltError } from "../errors.ts";

/** A socket takes one send at a time: this is its one writer. At `limit` waiting messages it refuses. */
export class SendQueue<Message> {
  readonly #send: (message: Message) => Promise<void>;
  readonly #limit: number;
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(send: (message: Message) => Promise<void>, limit: number) {
    this.#send = send;
    this.#limit = limit;
  }

  /** Messages not yet taken by the socket, the one being sent included. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Resolves when the socket took the message; a failed send fails its own caller and nobody after it.
   * @throws MsaltError `ERR_QUEUE_FULL`.
   */
  async push(message: Message): Promise<void> {
    if (this.#waiting >= this.#limit) {
      throw new MsaltError("ERR_QUEUE_FULL", "the send queue is full", { limit: this.#limit });
    }
    this.#waiting += 1;
    const sent = this.#tail
      .then(() => this.#send(message))
      .finally(() => {
        this.#waiting -= 1;
      });
    this.#tail = sent.catch(() => undefined);
    return sent;
  }
}
