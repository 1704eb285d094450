import type { Bus } from "./bus.ts";
import { Proc } from "./proc.ts";

/** Emulated minions `web1` … of this bus, ready. Started again, they are the same ones. */
export async function startSwarm(bus: Bus, minions: number): Promise<Proc> {
  const { publish_port, ret_port, enroll_port } = bus.ports;
  const ports = [`--publish-port=${publish_port}`, `--master-port=${ret_port}`, `--enroll-port=${enroll_port}`];
  const like = ["--minions", `${minions}`, "--id", "web{n}", "--master", "127.0.0.1"];
  const swarm = bus.track(new Proc("msalt-swarm", [...like, ...ports, "--root-dir", bus.minionRoot("swarm")]));
  await swarm.says("msalt-swarm ready", 60_000 + minions * 200);
  return swarm;
}
