import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** All bytes that passed, either way. */
  readonly seen: Buffer[];
  connections: number;
}

/** Someone on the path to a port of this host: hears everything, and may change what comes back. */
export async function proxyTo(
  port: number,
  alter: (answer: Buffer, connection: number) => Buffer = (answer) => answer,
): Promise<Proxy> {
  const seen: Buffer[] = [];
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const connection = (proxy.connections += 1);
    const upstream = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
    client.on("data", (data) => {
      seen.push(data);
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      seen.push(data);
      client.write(alter(data, connection));
    });
    client.on("end", () => upstream.end());
    upstream.on("end", () => client.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy = {
    port: (server.address() as AddressInfo).port,
    seen,
    connections: 0,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
  return proxy;
}
