import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { digestOf } from '../../src/oci/digest.ts';

/** A chart's archive of these files, the same bytes each time. */
export async function archiveOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const tar = pack();
  for (const [name, text] of Object.entries(files)) tar.entry({ name, mtime: new Date(0) }, text);
  tar.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of tar) if (Buffer.isBuffer(piece)) pieces.push(piece);
  return gzipSync(Buffer.concat(pieces));
}

export function chartOf(name: string, version: string): Promise<Buffer> {
  return archiveOf({
    [`${name}/charts/inner/Chart.yaml`]: 'apiVersion: v2\nname: inner\nversion: 9.9.9\n',
    [`${name}/Chart.yaml`]: `apiVersion: v2\nname: ${name}\nversion: ${version}\ndescription: A chart <for> tests\nappVersion: 1.0\n`,
    [`${name}/values.yaml`]: 'replicas: 1\n',
  });
}

export interface Indexed {
  readonly name: string;
  readonly version: string;
  readonly url: string;
  readonly archive?: Buffer;
}

/** As `helm repo index` writes it. */
export function indexOf(charts: readonly Indexed[]): string {
  const entries = [...Map.groupBy(charts, ({ name }) => name)].map(
    ([name, versions]) => `  ${name}:\n${versions.map(itemOf).join('')}`,
  );
  return `apiVersion: v1\nentries:\n${entries.join('')}generated: "2026-07-01T10:00:00.123456789Z"\n`;
}

function itemOf({ name, version, url, archive }: Indexed): string {
  const digest = archive && digestOf(archive).replace('sha256:', '');
  return [
    '  - apiVersion: v2',
    '    created: "2026-07-01T10:00:00.123456789Z"',
    '    description: |-',
    '      A chart',
    '      - of several lines: with colons',
    ...(digest === undefined ? [] : [`    digest: ${digest}`]),
    `    name: ${name}`,
    '    urls:',
    `    - ${url}`,
    `    version: ${Number.isNaN(Number(version)) ? version : JSON.stringify(version)}`,
    '',
  ].join('\n');
}
