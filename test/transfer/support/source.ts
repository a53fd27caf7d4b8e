import { type Agent, get, type IncomingMessage, type RequestOptions } from 'node:http';
import type { Digest } from '../../../src/oci/digest.ts';
import { OciError } from '../../../src/oci/error.ts';
import { UpstreamThrottled, UpstreamUnavailable } from '../../../src/registry/errors.ts';
import type { FillSource } from '../../../src/transfer/fill-source.ts';
import type { Upstream } from '../../support/upstream.ts';

/** A blob of the upstream, over HTTP, with no second try of a request; one connection for each where there is no agent. */
export function sourceAt(
  upstream: Pick<Upstream, 'url' | 'host'>,
  repository: string,
  {
    digest,
    agent = false,
    inParts,
  }: { digest: Digest; agent?: Agent | false; inParts?: boolean | undefined },
): FillSource {
  const url = new URL(`v2/${repository}/blobs/${digest}`, upstream.url);
  return {
    host: upstream.host,
    inParts,
    async open({ start, end }, { signal }) {
      const isPart = start > 0 || end !== undefined;
      const range = `bytes=${start}-${end === undefined ? '' : end - 1}`;
      const headers = isPart ? { range } : {};
      const response = await answerOf(url, { headers, signal, agent }, upstream.host);
      const [, from = 0, last, size] =
        /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers['content-range'] ?? '') ?? [];
      const length = size ?? response.headers['content-length'];
      const bytes = length === undefined ? undefined : Number(length);
      return {
        start: Number(from),
        end: last === undefined ? (bytes ?? Number.POSITIVE_INFINITY) : Number(last) + 1,
        size: bytes,
        content: response,
      };
    },
  };
}

async function answerOf(url: URL, options: RequestOptions, host: string): Promise<IncomingMessage> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, options, resolve).on('error', (cause) => {
      reject(new UpstreamUnavailable(host, 'unreachable', { cause }));
    });
  });
  const { statusCode = 0 } = response;
  if (statusCode === 200 || statusCode === 206) return response;
  response.resume();
  if (statusCode === 404) throw new OciError('BLOB_UNKNOWN');
  if (statusCode === 429) {
    throw new UpstreamThrottled(host, Number(response.headers['retry-after'] ?? 0));
  }
  throw new UpstreamUnavailable(host, 'server-error');
}
