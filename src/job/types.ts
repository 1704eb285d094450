export type * from "../wire/job.ts";
export { targetStates } from "../wire/job.ts";
