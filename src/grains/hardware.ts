import type { SystemFiles } from "./files.ts";

/** Processor, memory, disks, firmware, and what kind of machine this is. */
export function hardwareGrains(files: SystemFiles): Record<string, unknown> {
  const cpu = fieldsOf(files.text("proc/cpuinfo"));
  const memory = fieldsOf(files.text("proc/meminfo"));
  const flags = (cpu.get("flags") ?? cpu.get("Features") ?? "").split(" ").filter((flag) => flag !== "");
  const board = firmware(files);
  return {
    cpu_model: cpu.get("model name") ?? cpu.get("Model") ?? cpu.get("cpu model") ?? "Unknown",
    cpu_flags: flags,
    mem_total: megabytes(memory.get("MemTotal")),
    swap_total: megabytes(memory.get("SwapTotal")),
    ...drives(files),
    ...board,
    ...virtualization(files, board, flags),
  };
}

/** `name : value` lines; of a name that comes again the first counts. */
function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf(":");
    const name = line.slice(0, at).trim();
    if (at > 0 && !fields.has(name)) fields.set(name, line.slice(at + 1).trim());
  }
  return fields;
}

function megabytes(kilobytes = "0 kB"): number {
  return Math.floor(Number.parseInt(kilobytes, 10) / 1024);
}

function drives(files: SystemFiles): { disks: string[]; ssds: string[] } {
  const kind = (name: string): string => files.line(`sys/block/${name}/queue/rotational`);
  const names = files.list("sys/block").filter((name) => !/^(loop|ram|zram|sr|fd)\d/.test(name));
  return { disks: names.filter((name) => kind(name) === "1"), ssds: names.filter((name) => kind(name) === "0") };
}

type Firmware = Partial<
  Record<"biosversion" | "biosreleasedate" | "manufacturer" | "productname" | "serialnumber" | "uuid", string>
>;
const firmwareFiles: Readonly<Required<Firmware>> = {
  biosversion: "bios_version",
  biosreleasedate: "bios_date",
  manufacturer: "sys_vendor",
  productname: "product_name",
  serialnumber: "product_serial",
  uuid: "product_uuid",
};

/** Some of these only root may read. */
function firmware(files: SystemFiles): Firmware {
  const found = Object.entries(firmwareFiles).map(
    ([grain, file]) => [grain, files.line(`sys/class/dmi/id/${file}`)] as const,
  );
  const readable = Object.fromEntries(found.filter(([, value]) => value !== ""));
  return readable["uuid"] === undefined ? readable : { ...readable, uuid: readable["uuid"].toLowerCase() };
}

const vendors: readonly (readonly [RegExp, string])[] = [
  [/vmware/i, "VMware"],
  [/virtualbox|innotek/i, "VirtualBox"],
  [/microsoft corporation.*virtual machine/i, "VirtualPC"],
  [/xen/i, "xen"],
  [/qemu|kvm|amazon ec2|google compute engine|openstack|digitalocean|alibaba|standard pc/i, "kvm"],
  [/parallels/i, "Parallels"],
];

function virtualization(
  files: SystemFiles,
  { manufacturer = "", productname = "" }: Firmware,
  flags: readonly string[],
): { virtual: string; virtual_subtype?: string } {
  const subtype = containerKind(files);
  if (subtype !== undefined) return { virtual: "container", virtual_subtype: subtype };
  const vendor = vendors.find(([pattern]) => pattern.test(`${manufacturer} ${productname}`));
  if (vendor !== undefined) return { virtual: vendor[1] };
  return { virtual: flags.includes("hypervisor") ? "VM" : "physical" };
}

function containerKind(files: SystemFiles): string | undefined {
  if (files.list("").includes(".dockerenv")) return "Docker";
  if (files.text("run/.containerenv") !== "" || files.list("run").includes(".containerenv")) return "Podman";
  const named = /(?:^|\0)container=([\w.-]+)/.exec(files.text("proc/1/environ"))?.[1];
  const known: Readonly<Record<string, string>> = {
    lxc: "LXC",
    docker: "Docker",
    podman: "Podman",
    "systemd-nspawn": "systemd-nspawn",
  };
  if (named !== undefined) return known[named] ?? named;
  const groups = files.text("proc/1/cgroup");
  if (/kubepods/.test(groups)) return "Kubernetes";
  if (/docker/.test(groups)) return "Docker";
  return /\blxc\b/.test(groups) ? "LXC" : undefined;
}
