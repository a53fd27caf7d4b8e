import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Arbitrary,
  array,
  asyncProperty,
  constantFrom,
  nat,
  oneof,
  option,
  record,
  subarray,
} from 'fast-check';
import type { Digest } from '../../src/oci/digest.ts';
import type { Answer, Sent } from '../http/support/client.ts';
import {
  EMPTY,
  questionsAbout,
  REPOSITORIES,
  type Repository,
  resultsOf,
  type State,
  type Step,
  subjectOf,
  TAGS,
} from './support/contents-model.ts';
import { MOST_BLOBS, MOST_MANIFESTS, type Pool, poolOf } from './support/contents-pool.ts';
import { type FuzzNode, startFuzzNode } from './support/node.ts';
import { type Answered, statesAfter } from './support/orders.ts';
import { listIn, namesIn } from './support/pages.ts';
import { holds } from './support/runs.ts';

describe('whatever clients push, tag, mount and delete', () => {
  it('is answered and visible as if they had come one after the other', async () => {
    await using node = await startFuzzNode();
    let runs = 0;

    await holds(
      asyncProperty(BATCHES, async (batches) => {
        runs += 1;
        const world = { node, pool: poolOf(runs), run: runs };
        await makeKnown(world);
        let states: readonly State[] = [EMPTY];
        for (const steps of [...batches, []]) {
          if (steps.length === 0) await assertVisible(world, states);
          else states = await ask(world, states, steps);
        }
      }),
      0.05,
    );
  });
});

const STEPS: Arbitrary<Step> = record({
  kind: oneof(
    { weight: 2, arbitrary: constantFrom('push blob', 'mount blob') },
    { weight: 3, arbitrary: constantFrom('push manifest') },
    { weight: 2, arbitrary: constantFrom('delete blob', 'delete manifest', 'delete tag') },
    {
      weight: 2,
      arbitrary: constantFrom(
        'head blob',
        'get manifest',
        'get tag',
        'list tags',
        'list referrers',
      ),
    },
  ),
  repository: constantFrom(...REPOSITORIES),
  blob: nat(MOST_BLOBS - 1),
  manifest: nat(MOST_MANIFESTS - 1),
  tag: constantFrom(...TAGS),
  tags: subarray([...TAGS]),
  from: option(constantFrom(...REPOSITORIES), { nil: undefined }),
});
const EVERYTHING: readonly Step[][] = [
  Array.from({ length: MOST_BLOBS }, (_, blob) => ({
    kind: 'push blob',
    repository: 'strict one',
    blob,
    manifest: 0,
    tag: '',
    tags: [],
    from: undefined,
  })),
];
/** Steps of one batch are sent at once; where there are none, everything is looked at. */
const BATCHES: Arbitrary<readonly (readonly Step[])[]> = record({
  before: constantFrom<readonly (readonly Step[])[]>([], EVERYTHING),
  batches: array(array(STEPS, { maxLength: 4 }), { maxLength: 14, size: '+1' }),
}).map(({ before, batches }) => [...before, ...batches]);

interface World {
  readonly node: FuzzNode;
  readonly pool: Pool;
  readonly run: number;
}

function nameOf({ run }: World, repository: Repository): string {
  return {
    'strict one': `local/contents/${run}/one`,
    'strict other': `local/contents/${run}/other`,
    sparse: `sparse/contents/${run}`,
  }[repository];
}

/** An upload that comes to nothing: from then on a list of its tags is empty and not unknown. */
async function makeKnown(world: World): Promise<void> {
  for (const repository of REPOSITORIES) {
    const path = `/v2/${nameOf(world, repository)}/blobs/uploads/`;
    const { status } = await world.node.send({ method: 'POST', path });
    assert.equal(status, 202);
  }
}

/** Takes the steps at once. Rejects when no order of them explains what they were answered. */
async function ask(
  world: World,
  states: readonly State[],
  steps: readonly Step[],
): Promise<readonly State[]> {
  const answered = await Promise.all(steps.map((step) => answeredTo(world, step)));
  const isAlone = steps.length === 1;
  const after = statesAfter(states, answered, (step, state) =>
    resultsOf(step, state, world.pool, isAlone),
  );
  assert.notEqual(after.length, 0, `no order explains ${JSON.stringify(answered)}`);
  return after;
}

/** Everything that can be seen is as in one of the states. */
async function assertVisible(world: World, states: readonly State[]): Promise<void> {
  const questions = REPOSITORIES.flatMap((repository) => questionsAbout(repository, world.pool));
  const answered = await Promise.all(questions.map((step) => answeredTo(world, step)));
  const explanations = states.filter((state) =>
    answered.every(({ step, outcome }) => {
      const [expected] = resultsOf(step, state, world.pool, true);
      return expected?.outcome === outcome;
    }),
  );
  assert.notEqual(explanations.length, 0, `no order explains ${JSON.stringify(answered)}`);
}

async function answeredTo(world: World, step: Step): Promise<Answered> {
  const answer = await world.node.send(requestOf(world, step));
  return { step, outcome: outcomeOf(step, answer) };
}

function requestOf(world: World, step: Step): Sent {
  const { pool } = world;
  const base = `/v2/${nameOf(world, step.repository)}`;
  const blob = pool.blobs[step.blob];
  const manifest = pool.manifests[step.manifest];
  assert.ok(blob && manifest);
  switch (step.kind) {
    case 'push blob': {
      const path = `${base}/blobs/uploads/?digest=${blob.digest}`;
      return { method: 'POST', path, body: blob.bytes };
    }
    case 'mount blob': {
      const from = step.from === undefined ? '' : `&from=${nameOf(world, step.from)}`;
      return { method: 'POST', path: `${base}/blobs/uploads/?mount=${blob.digest}${from}` };
    }
    case 'delete blob':
      return { method: 'DELETE', path: `${base}/blobs/${blob.digest}` };
    case 'head blob':
      return { method: 'HEAD', path: `${base}/blobs/${blob.digest}` };
    case 'push manifest': {
      const query = step.tags.map((tag) => `tag=${tag}`).join('&');
      const path = `${base}/manifests/${manifest.digest}?${query}`;
      const headers = { 'Content-Type': manifest.mediaType };
      return { method: 'PUT', path, body: manifest.bytes, headers };
    }
    case 'delete manifest':
      return { method: 'DELETE', path: `${base}/manifests/${manifest.digest}` };
    case 'get manifest':
      return { path: `${base}/manifests/${manifest.digest}` };
    case 'delete tag':
      return { method: 'DELETE', path: `${base}/manifests/${step.tag}` };
    case 'get tag':
      return { path: `${base}/manifests/${step.tag}` };
    case 'list tags':
      return { path: `${base}/tags/list` };
    case 'list referrers':
      return { path: `${base}/referrers/${subjectOf(step, pool)}` };
    default:
      return assert.fail(step.kind);
  }
}

function outcomeOf({ kind }: Step, answer: Answer): string {
  const { status, code } = answer;
  if (status === 404 || kind.startsWith('delete') || kind.endsWith('blob')) return String(status);
  if (status >= 400) return `${status} ${code}`;
  if (kind === 'list tags') return `${status} ${namesIn(answer, 'tags').join()}`;
  if (kind === 'list referrers') return `${status} ${digestsIn(answer).toSorted().join()}`;
  return `${status} ${String(answer.headers['docker-content-digest'])}`;
}

function digestsIn(answer: Answer): readonly Digest[] {
  return listIn(answer, 'manifests').map((entry) => {
    assert.ok(isDescriptor(entry));
    return entry.digest;
  });
}

function isDescriptor(value: unknown): value is { digest: Digest } {
  return typeof value === 'object' && value !== null && 'digest' in value;
}
