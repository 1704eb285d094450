import { createReadStream } from "node:fs";
import { MsaltError, messageOf } from "../errors.ts";

/** A line without its line feed; `whole` is false where the file ends without one. */
export interface FileLine {
  readonly bytes: Uint8Array;
  readonly whole: boolean;
}

/** @throws MsaltError `ERR_NOT_ALLOWED` when the file is not this user's to read, `ERR_STORE` when it cannot be. */
export async function* fileLines(file: string): AsyncGenerator<FileLine> {
  let rest = Buffer.alloc(0);
  try {
    for await (const part of createReadStream(file, { highWaterMark: 1_048_576 }) as AsyncIterable<Buffer>) {
      const all = Buffer.concat([rest, part]);
      let start = 0;
      for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, start)) {
        yield { bytes: all.subarray(start, end), whole: true };
        start = end + 1;
      }
      rest = all.subarray(start);
    }
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code === "EACCES") {
      const hint = "run this as the user that runs msalt-master";
      throw new MsaltError(
        "ERR_NOT_ALLOWED",
        `not permitted: ${file} can be read by the master's user only`,
        { hint },
        { cause },
      );
    }
    throw new MsaltError("ERR_STORE", `cannot read ${file}: ${messageOf(cause)}`, {}, { cause });
  }
  if (rest.length > 0) yield { bytes: rest, whole: false };
}
