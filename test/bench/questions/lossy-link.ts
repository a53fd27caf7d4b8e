import { join } from 'node:path';
import { farStockRegistry } from '../support/contestants.ts';
import { type Copier, portolanCopier, regsyncCopier, skopeoCopier } from '../support/copiers.ts';
import { endsOf, large, shareOf } from '../support/far-work.ts';
import { createLongLink, RATE_MBIT } from '../support/long-link.ts';
import type { Question } from '../support/question.ts';

const LOST_PER_MILLION = 100;
const MEBIBYTES = 128;

/** How much of a long link that loses packets does one blob use? */
export const lossyLink: Question = async ({ folder, upstreamNamespace }) => {
  await using far = await farStockRegistry(join(folder, 'far'), upstreamNamespace);
  await using link = await createLongLink(folder, upstreamNamespace, {
    lostPerMillion: LOST_PER_MILLION,
  });
  const work = await large(far, MEBIBYTES);
  // Nothing goes there.
  const ends = endsOf(far, far);
  await using node = await portolanCopier(join(folder, 'portolan'), ends, [work]);
  await using regsync = await regsyncCopier(join(folder, 'regsync'), ends);
  await using skopeo = await skopeoCopier(join(folder, 'skopeo'), ends);
  const share = (copier: Copier) => shareOf(work, link, () => copier.into(work));
  const figures = {
    portolan: await share(node),
    regsync: await share(regsync),
    skopeo: await share(skopeo),
  };
  const ratio = figures.portolan / Math.max(figures.regsync, figures.skopeo);
  return [
    {
      question: `${work.title} from a registry 50 ms away, of whose packets 1 in 10,000 is lost`,
      unit: `share of a link of ${RATE_MBIT} Mbit/s`,
      figures,
      promise: 'at least 1.2 times the better of the others',
      ratio,
      isKept: ratio >= 1.2,
    },
  ];
};
