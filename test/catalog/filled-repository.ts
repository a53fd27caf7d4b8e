import type { Digest } from '../../src/oci/digest.ts';
import { addProject, type ManagementWorld } from './management-world.ts';
import { type Content, contentOf, imageOf, indexOf, keepBlob, push } from './world.ts';

export const APP = 'team/app';
const SIGNATURE = 'application/vnd.dev.cosign.artifact.sig.v1+json';

export const tag = (name: string) => ({ kind: 'tag', tag: name }) as const;
export const byDigest = ({ digest }: { digest: Digest }) => ({ kind: 'digest', digest }) as const;

/** An index with one image in it and a signature on it, and a chart without a tag. */
export async function filled(world: ManagementWorld) {
  const project = await addProject(world, 'team');
  const config = contentOf('{"history":[{"created_by":"COPY . .","empty_layer":false}]}');
  const layer = contentOf('a layer');
  const note = contentOf('{}');
  for (const blob of [config, layer, note]) await keepBlob(world, APP, blob);
  const image = { ...imageOf(config, [layer]), config, layer };
  await push(world, APP, image);
  const index = platformed(indexOf([image], { annotations: { 'org.example.of': 'many' } }));
  await push(world, APP, index, { tag: 'multi' });
  const subject = {
    mediaType: 'application/vnd.oci.image.index.v1+json',
    digest: index.digest,
    size: index.bytes.length,
  };
  const signature = imageOf(note, [layer], { artifactType: SIGNATURE, subject });
  await push(world, APP, signature);
  const chart = imageOf(note, [layer], {
    config: {
      mediaType: 'application/vnd.cncf.helm.config.v1+json',
      digest: note.digest,
      size: note.bytes.length,
    },
  });
  await push(world, APP, chart);
  return { project, image, index, signature, chart };
}

/** Its children as for one platform. */
function platformed(index: Content): Content {
  const platform = '"platform":{"architecture":"arm64","os":"linux","variant":"v8"}';
  return contentOf(index.bytes.toString().replace('"size":', `${platform},"size":`));
}
