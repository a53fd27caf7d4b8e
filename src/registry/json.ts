import { UpstreamInvalid } from './errors.ts';

/** @throws UpstreamInvalid where it is no JSON */
export function jsonIn(bytes: Buffer, host: string): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (cause) {
    throw new UpstreamInvalid(host, 'a page that is no JSON', { cause });
  }
}
