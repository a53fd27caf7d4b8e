/**
 * `npm run bench`: this node beside its peers, interleaved, in one run, in network namespaces of its own.
 * Prints ratios, writes `docs/benchmarks.md`, and ends with 1 when a promise did not hold. Needs root, wrk, python3 and what `.ci/install` brings.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { blobDownload } from './questions/blob-download.ts';
import { cachedToken } from './questions/cached-token.ts';
import { coldPull } from './questions/cold-pull.ts';
import { longLink } from './questions/long-link.ts';
import { lossyLink } from './questions/lossy-link.ts';
import { manifestByTag } from './questions/manifest-by-tag.ts';
import { shaping } from './questions/shaping.ts';
import { createNamespaces, pinTo } from './support/namespaces.ts';
import type { Answer, Question } from './support/question.ts';
import { report } from './support/report.ts';

const QUESTIONS: Readonly<Record<string, Question>> = {
  'manifest-by-tag': manifestByTag,
  'cached-token': cachedToken,
  'blob-download': blobDownload,
  'cold-pull': coldPull,
  'long-link': longLink,
  'lossy-link': lossyLink,
  shaping,
};

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    /** A part of the work of the longest questions, while one works on them. */
    short: { type: 'boolean', default: false },
    /** Set by this program when it starts itself again inside the namespace. */
    upstream: { type: 'string' },
  },
});

process.exitCode =
  values.upstream === undefined ? await inNamespaces() : await ask(values.upstream);

/** Starts this program again where its servers and clients shall live. */
async function inNamespaces(): Promise<number> {
  await using namespaces = await createNamespaces();
  const inside = ['netns', 'exec', namespaces.node, process.execPath, import.meta.filename];
  const args = [...inside, ...process.argv.slice(2), '--upstream', namespaces.upstream];
  return spawnSync('ip', args, { stdio: 'inherit' }).status ?? 1;
}

async function ask(upstreamNamespace: string): Promise<number> {
  await pinTo(1);
  const answers: Answer[] = [];
  for (const [name, question] of Object.entries(QUESTIONS)) {
    if (values.only !== undefined && values.only !== name) continue;
    await using directory = await temporaryDirectory();
    answers.push(
      ...(await question({
        folder: directory.path,
        upstreamNamespace,
        rounds: Number(values.rounds),
        isShort: values.short,
      })),
    );
  }
  const text = report(answers, new Date());
  process.stdout.write(text);
  if (values.only === undefined && !values.short) {
    writeFileSync(join(import.meta.dirname, '../../docs/benchmarks.md'), text);
  }
  return answers.every(({ isKept }) => isKept) ? 0 : 1;
}
