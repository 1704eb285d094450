/** `/etc/os-release` as Salt's grains of the operating system. */
const names: Readonly<Record<string, readonly [os: string, family: string]>> = {
  almalinux: ["AlmaLinux", "RedHat"],
  alpine: ["Alpine", "Alpine"],
  amzn: ["Amazon", "RedHat"],
  arch: ["Arch", "Arch"],
  centos: ["CentOS", "RedHat"],
  debian: ["Debian", "Debian"],
  fedora: ["Fedora", "RedHat"],
  gentoo: ["Gentoo", "Gentoo"],
  kali: ["Kali", "Debian"],
  linuxmint: ["Mint", "Debian"],
  ol: ["OEL", "RedHat"],
  "opensuse-leap": ["SUSE", "Suse"],
  "opensuse-tumbleweed": ["SUSE", "Suse"],
  raspbian: ["Raspbian", "Debian"],
  rhel: ["RedHat", "RedHat"],
  rocky: ["Rocky", "RedHat"],
  sles: ["SUSE", "Suse"],
  ubuntu: ["Ubuntu", "Debian"],
};

const debianArchitectures: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv7l: "armhf",
  i686: "i386",
  ppc64le: "ppc64el",
};

export function osGrains(osRelease: string, cpuarch: string): Record<string, unknown> {
  const fields = parse(osRelease);
  const id = fields["ID"] ?? "linux";
  const like = (fields["ID_LIKE"] ?? "").split(" ");
  const fullName = fields["NAME"] ?? "Linux";
  const relative = like.find((name) => name in names) ?? "";
  const [os, family] = names[id] ?? [fullName, names[relative]?.[1] ?? fullName];
  const release = fields["VERSION_ID"] ?? fields["BUILD_ID"] ?? "";
  const parts = release.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const [major] = parts;
  const short = os === "Debian" || os === "Raspbian" ? os : fullName;
  return {
    os,
    os_family: family,
    osfullname: fullName,
    osrelease: release,
    osrelease_info: release === "" ? [] : parts,
    ...(typeof major === "number" && { osmajorrelease: major }),
    osfinger: `${short}-${os === "Ubuntu" ? release : String(major ?? "")}`,
    oscodename: fields["VERSION_CODENAME"] ?? /\(([^)]+)\)/.exec(fields["VERSION"] ?? "")?.[1] ?? "",
    osarch: family === "Debian" ? (debianArchitectures[cpuarch] ?? cpuarch) : cpuarch,
  };
}

function parse(text: string): Record<string, string> {
  const pairs = text.split("\n").flatMap((line) => {
    const [, name, value = ""] = /^\s*([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, unquoted(value.trim())] as const];
  });
  return Object.fromEntries(pairs);
}

function unquoted(value: string): string {
  const [, , inner] = /^(["'])(.*)\1$/.exec(value) ?? [];
  return (inner ?? value).replaceAll(/\\([\\"'$`])/g, "$1");
}
