import { MsaltError, messageOf } from "../errors.ts";

/** Result codes of SQLite that mean something to an operator; the low byte of `errcode`. */
const codes = { busy: 5, io: 10, corrupt: 11, full: 13, constraint: 19, notADatabase: 26 };

/** For what SQLite itself does not notice. */
export function damaged(what: string): Error {
  return Object.assign(new Error(what), { errcode: codes.corrupt });
}

/** What went wrong with the file, in the operator's words: `ERR_DISK_FULL`, or `ERR_STORE`. */
export function storeError(cause: unknown, file: string): MsaltError {
  if (cause instanceof MsaltError) return cause;
  const { errcode = 0, code = "" } = cause as { errcode?: number; code?: string };
  const message = messageOf(cause);
  const error = (text: string, hint: string): MsaltError =>
    new MsaltError("ERR_STORE", text, { file, hint }, { cause });
  if (code === "ENOSPC" || code === "EDQUOT") return diskFull(file, cause);
  switch (errcode & 0xff) {
    case codes.full:
      return diskFull(file, cause);
    case codes.corrupt:
    case codes.notADatabase:
      return error(
        `${file} is damaged: ${message}`,
        `restore it from a backup, or move it away together with ${file}-wal to begin with an empty record; ` +
          "minions send again what was not acknowledged",
      );
    case codes.busy:
      return error(`${file} is in use by another process`, "stop the other master; one process owns the record");
    case codes.constraint:
      return error(`${file} does not take this: ${message}`, "nothing of the batch was written");
    case codes.io:
      return error(`the disk of ${file} fails: ${message}`, "look for disk errors in the log of the kernel");
    default:
      return error(`cannot use ${file}: ${message}`, "check its folder, owner, mode and disk");
  }
}

function diskFull(file: string, cause: unknown): MsaltError {
  const hint = "make room there; nothing that was acknowledged is lost";
  return new MsaltError("ERR_DISK_FULL", `no room on the disk of ${file}`, { file, hint }, { cause });
}
