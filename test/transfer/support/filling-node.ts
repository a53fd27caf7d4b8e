/** A node in a process of its own, to be killed: `filling-node.ts <folder> <upstream> <digest> <size>`. Says `recorded`. */
import { isDigest } from '../../../src/oci/digest.ts';
import { sourceAt } from './source.ts';
import { eventually, openNode, REPOSITORY } from './world.ts';

const [folder = '', upstream = '', digest = '', size = ''] = process.argv.slice(2);
if (!isDigest(digest)) throw new Error(`not a digest: ${digest}`);
const url = new URL(upstream);
const node = await openNode(folder);
const source = sourceAt({ url, host: url.host }, 'library/alpine', { digest });
const wanted = { digest, size: Number(size), repository: REPOSITORY, source };
await node.transfers.open(wanted, { whole: true });
await eventually(async () => {
  const [fill] = await node.fills.list();
  if (fill === undefined || fill.intervals.length === 0) throw new Error('nothing is recorded yet');
});
process.stdout.write('recorded\n');
