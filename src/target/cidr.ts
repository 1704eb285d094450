/** Addresses and networks of both kinds, as `-S` reads them: no host bits in a network, no leading zeros. */

interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** True for a minion one of whose addresses (grains `ipv4` and `ipv6`) is this one, or lies in this network. */
export function compileCidr(
  text: string,
): (addresses: { ipv4: readonly string[]; ipv6: readonly string[] }) => boolean {
  const [base = "", mask, ...more] = text.split("/");
  const address = parseAddress(base);
  const length = address === undefined || more.length > 0 ? undefined : prefixOf(mask, address.bits);
  if (address === undefined || length === undefined) return () => false;
  const shift = BigInt(address.bits - length);
  const network = address.value >> shift;
  if (network << shift !== address.value) return () => false;
  const name = address.bits === 32 ? "ipv4" : "ipv6";
  return (addresses) =>
    addresses[name].some((each) => {
      const own = parseAddress(each);
      return own?.bits === address.bits && own.value >> shift === network;
    });
}

/** Length of a prefix given as such, as a netmask, or as a host mask. */
function prefixOf(mask: string | undefined, bits: 32 | 128): number | undefined {
  if (mask === undefined) return bits;
  if (/^\d{1,3}$/.test(mask)) return Number(mask) <= bits ? Number(mask) : undefined;
  const value = bits === 32 ? parseAddress(mask)?.value : undefined;
  if (value === undefined) return undefined;
  const ones = value.toString(2).padStart(32, "0");
  const [, net, host] = /^(?:(1*)0*|(0+)1+)$/.exec(ones) ?? [];
  return (net ?? host)?.length;
}

function parseAddress(text: string): Address | undefined {
  if (!text.includes(":")) {
    const value = parseV4(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const value = parseV6(text);
  return value === undefined ? undefined : { bits: 128, value };
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  let sum = 0;
  for (const part of parts) {
    const byte = Number(part);
    // What Number reads and prints otherwise is no decimal without leading zeros.
    if (!(byte >= 0 && byte < 256) || String(byte) !== part) return undefined;
    sum = sum * 256 + byte;
  }
  return parts.length === 4 ? BigInt(sum) : undefined;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => groupsOf(half));
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 8 ? join(head) : undefined;
  if (tail === undefined || head.length + tail.length > 7) return undefined;
  return join([...head, ...Array<bigint>(8 - head.length - tail.length).fill(0n), ...tail]);
}

/** Groups of 16 bits; the last two may be written as an IPv4 address. */
function groupsOf(text: string): bigint[] | undefined {
  if (text === "") return [];
  const words = text.split(":");
  const last = words.at(-1) ?? "";
  const v4 = last.includes(".") ? parseV4(last) : undefined;
  if (last.includes(".") && v4 === undefined) return undefined;
  const hex = v4 === undefined ? words : words.slice(0, -1);
  if (!hex.every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return undefined;
  return [...hex.map((word) => BigInt(`0x${word}`)), ...(v4 === undefined ? [] : [v4 >> 16n, v4 & 0xffffn])];
}

function join(groups: readonly bigint[]): bigint {
  return groups.reduce((sum, group) => (sum << 16n) | group, 0n);
}
