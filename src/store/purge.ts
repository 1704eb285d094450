import type { Connection } from "./connection.ts";

/** What one transaction erases; it holds the controller for some milliseconds. */
const sliceRows = 2000;
const sliceBytes = 4 * 1_048_576;

/**
 * Erases a part of the rows of jobs that are gone already. @returns false when none are left. A job may hold gigabytes, so
 * its results go bit by bit, and its name in `gone` last: a crash in between leaves nothing behind that is not found again.
 */
export function eraseSlice(connection: Connection): boolean {
  let rows = 0;
  let bytes = 0;
  while (rows < sliceRows && bytes < sliceBytes) {
    const job = connection.get("SELECT job FROM gone LIMIT 1")?.["job"];
    if (job === undefined) return false;
    const results = connection.all(
      "SELECT place, length(ret) AS size FROM results WHERE job = ? ORDER BY place LIMIT ?",
      job,
      sliceRows - rows,
    );
    let last = -1;
    for (const { place, size } of results) {
      last = Number(place);
      rows += 1;
      bytes += Number(size);
      if (bytes >= sliceBytes) break;
    }
    if (last >= 0) {
      connection.run("DELETE FROM results WHERE job = ? AND place <= ?", job, last);
      continue;
    }
    for (const table of ["targets", "conflicts", "gone"])
      rows += Number(connection.run(`DELETE FROM ${table} WHERE job = ?`, job).changes);
  }
  return true;
}
