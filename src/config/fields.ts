/** Kinds of values that several parts of the configuration take. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { Duration } from '../../policies/units.ts';

/** The longest a Node timer waits: 2^31 - 1 ms. */
const LONGEST_MS = 2_147_483_647;

/** A {@link Duration} that a timer can wait for. */
export const Timeout = Duration.refine(
  (milliseconds) => milliseconds >= 1 && milliseconds <= LONGEST_MS,
  'at least 1ms and at most 24d',
);

export interface Address {
  /** A host name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

const ADDRESS = 'host:port, such as 0.0.0.0:5000, localhost:5000 or [::]:5000';

/** `host:port`, what to listen on. */
export const ListenAddress = z
  .string(ADDRESS)
  .meta({ kind: 'host:port' })
  .refine((text) => addressIn(text) !== undefined, ADDRESS)
  .transform((text) => addressIn(text) ?? { host: '', port: 0 });

function addressIn(text: string): Address | undefined {
  const [, bracketed, plain, digits = ''] =
    /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65_535) return undefined;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { host: bracketed, port } : undefined;
  return plain === undefined ? undefined : { host: plain, port };
}

/** `host` or `host:port`, as clients write it in an image's name. Lower case. */
export const HostName = z
  .string('a host, or host:port')
  .regex(/^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/, 'a host, or host:port')
  .meta({ kind: 'host, or host:port' })
  .transform((text) => text.toLowerCase());

/** An address, or a range of them in CIDR notation. */
export const AddressRange = z
  .string('an address such as 10.0.0.7, or a range such as 10.0.0.0/8')
  .meta({ kind: 'address, or range' })
  .refine(isAddressRange, 'an address such as 10.0.0.7, or a range such as 10.0.0.0/8');

function isAddressRange(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (bits === undefined) return most > 0;
  return rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most;
}
