import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import got from 'got';
import { until } from '../../support/until.ts';
import { startUpstream, type Upstream } from '../../support/upstream.ts';
import { AUTHORIZATION, portolan } from '../support/contestants.ts';
import { MIB } from '../support/measure.ts';
import type { Question } from '../support/question.ts';

const RATE = '10MB/s';
const BYTES_A_SECOND = 10e6;
const WINDOW_MS = 10_000;
/** More than goes by while it is looked at, in blobs that come by several ranges at once. */
const LAYER_BYTES = 160 * MIB;
const BLOBS = { method: 'GET', path: /\/blobs\// };

interface Shaped {
  readonly policy?: object;
  readonly endpoint?: object;
  readonly node?: object;
}

/** How near to the set rate is what is copied, over ten seconds? */
export const shaping: Question = async ({ folder }) => {
  const measure = (name: string, shaped: Shaped) => rateOf(join(folder, name), shaped);
  const figures = {
    'of a policy': await measure('policy', { policy: { bandwidth: RATE } }),
    'of an endpoint': await measure('endpoint', { endpoint: { bandwidth: RATE } }),
    'in all': await measure('all', { node: { replication: { bandwidth: RATE } } }),
  };
  const ratios = Object.values(figures);
  const worst = ratios.toSorted((one, other) => Math.abs(other - 1) - Math.abs(one - 1))[0] ?? 0;
  return [
    {
      question: `a limit of ${RATE} for what is copied, over 10 s`,
      unit: 'times the limit',
      figures,
      promise: 'within 5 %',
      ratio: worst,
      isKept: Math.abs(worst - 1) <= 0.05,
    },
  ];
};

/** Of two images of one registry, which one policy copies. */
async function rateOf(folder: string, { policy, endpoint, node: more }: Shaped): Promise<number> {
  await using upstream = await startUpstream();
  for (const tag of ['one', 'other']) {
    upstream.addImage('library/app', tag, [randomBytes(LAYER_BYTES)]);
  }
  await using node = await portolan(folder, undefined, {
    endpoints: {
      from: {
        adapter: 'distribution',
        url: upstream.url.href,
        allowPrivateAddress: true,
        ...endpoint,
      },
    },
    policies: {
      replication: {
        copy: {
          source: 'from',
          destinations: [{ endpoint: 'local', namespace: 'bench' }],
          repositories: ['library/app'],
          ...policy,
        },
      },
    },
    ...more,
  });
  await got.post(`${node.url}/api/v2.0/replication/executions`, {
    headers: { authorization: AUTHORIZATION },
    json: { policy_id: 1 },
  });
  // Until then, buffers on the way fill up.
  await until(() => sentBy(upstream) > 2 * BYTES_A_SECOND, { withinMs: 60_000 });
  const [bytes, at] = [sentBy(upstream), performance.now()];
  await wait(WINDOW_MS);
  const seconds = (performance.now() - at) / 1000;
  return (sentBy(upstream) - bytes) / seconds / BYTES_A_SECOND;
}

const sentBy = (upstream: Upstream): number => upstream.sentBytes(BLOBS);
