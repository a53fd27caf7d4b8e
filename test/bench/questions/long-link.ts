import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Contestant, farStockRegistry, pushImageOf } from '../support/contestants.ts';
import { type Copier, portolanCopier, regsyncCopier, skopeoCopier } from '../support/copiers.ts';
import { endsOf, large, type SizedWork, shareOf } from '../support/far-work.ts';
import { createLongLink, RATE_MBIT } from '../support/long-link.ts';
import { MIB } from '../support/measure.ts';
import type { Answer, Question } from '../support/question.ts';

const REPOSITORIES = 10;

/** How much of a long link does a replication use? */
export const longLink: Question = async ({ folder, upstreamNamespace, isShort }) => {
  const blobMib = isShort ? 128 : 1024;
  const images = isShort ? 100 : 1000;
  await using far = await farStockRegistry(join(folder, 'far'), upstreamNamespace);
  // Another one to push to, that has none of it: skopeo remembers where it saw a blob, and mounts it.
  await using empty = await farStockRegistry(join(folder, 'empty'), upstreamNamespace);
  await using link = await createLongLink(folder, upstreamNamespace);
  const works = [await large(far, blobMib), await small(far, images)];
  const ends = endsOf(far, empty);
  await using node = await portolanCopier(join(folder, 'portolan'), ends, works);
  await using regsync = await regsyncCopier(join(folder, 'regsync'), ends);
  await using skopeo = await skopeoCopier(join(folder, 'skopeo'), ends);
  const answers: Answer[] = [];
  for (const work of works) {
    for (const way of ['into', 'out'] as const) {
      const share = (copier: Copier, part: SizedWork) =>
        shareOf(part, link, () => copier[way](part));
      const figures = {
        portolan: await share(node, work),
        regsync: await share(regsync, work),
        skopeo: await share(skopeo, partOf(work)),
      };
      answers.push({
        question: `${work.title} ${way === 'into' ? 'from' : 'to'} a registry 50 ms away`,
        unit: `share of a link of ${RATE_MBIT} Mbit/s`,
        figures,
        promise: 'at least 0.9 of the link; times the better of the others',
        ratio: figures.portolan / Math.max(figures.regsync, figures.skopeo),
        isKept: figures.portolan >= 0.9,
      });
    }
  }
  return answers;
};

/** What one repository of it has: of who takes one image after the other, it is enough to know how long they take. */
function partOf(work: SizedWork): SizedWork {
  const { repositories, bytes } = work;
  return { ...work, repositories: repositories.slice(0, 1), bytes: bytes / repositories.length };
}

async function small(far: Contestant, images: number): Promise<SizedWork> {
  const repositories = Array.from({ length: REPOSITORIES }, (_, at) => `library/small-${at}`);
  for (let image = 0; image < images; image++) {
    const repository = repositories[image % REPOSITORIES] ?? '';
    await pushImageOf(far.url, { repository, tag: `v${image}`, layer: randomBytes(MIB) });
  }
  return {
    name: 'small',
    repositories,
    bytes: images * MIB,
    title: `${images.toLocaleString('en')} images of 1 MiB`,
  };
}
