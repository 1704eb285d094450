import type { ApiContext } from "./context.ts";
import type { AnyRoute } from "./route.ts";
import { accountRoutes } from "./routes/accounts.ts";
import { eventRoutes } from "./routes/events.ts";
import { functionRoutes } from "./routes/functions.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { keyRoutes } from "./routes/keys.ts";
import { minionRoutes } from "./routes/minions.ts";
import { outputRoutes } from "./routes/output.ts";
import { scriptRoutes } from "./routes/scripts.ts";
import { systemRoutes } from "./routes/system.ts";
import { taskRoutes } from "./routes/tasks.ts";

/** Every route, in the order in which they are documented. */
export function allRoutes(context: ApiContext): readonly AnyRoute[] {
  const routes: AnyRoute[] = [
    ...systemRoutes(context, () => routes),
    ...accountRoutes(context),
    ...jobRoutes(context),
    ...outputRoutes(context),
    ...minionRoutes(context),
    ...keyRoutes(context),
    ...eventRoutes(context),
    ...functionRoutes(),
    ...taskRoutes(context),
    ...scriptRoutes(context),
  ];
  return routes;
}
