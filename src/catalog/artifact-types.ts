/** What people call an artifact, by the type of its config, as Harbor does (v2.13, src/controller/artifact/processor). */
import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { DOCKER_LIST, OCI_INDEX } from '../oci/media-type.ts';

const INDEXES = [OCI_INDEX, DOCKER_LIST];
const KNOWN: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'IMAGE',
    ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json'],
  ],
  ['CHART', ['application/vnd.cncf.helm.config.v1+json']],
  ['CNAB', ['application/vnd.cnab.manifest.v1']],
  ['WASM', ['application/vnd.wasm.config.v1+json']],
]);
const UNKNOWN = 'UNKNOWN';
const NAMED = /^application\/vnd\.[^.]*\.(.*)\.config\.[^.]*$/;

/** `IMAGE`, `CHART`, …; what the config's type calls itself (`application/vnd.x.NAME.config.v1`), else `UNKNOWN`. */
export function typeOfArtifact(mediaType: string, artifactType: string | undefined): string {
  if (artifactType === undefined) return INDEXES.includes(mediaType) ? 'IMAGE' : UNKNOWN;
  for (const [name, types] of KNOWN) if (types.includes(artifactType)) return name;
  return NAMED.exec(artifactType)?.[1]?.toUpperCase() ?? UNKNOWN;
}

/** The same question to rows of `manifests`. */
export function isOfType(type: string): RawBuilder<SqlBool> {
  const name = type.toUpperCase();
  const known = KNOWN.get(name);
  const column = sql.ref('manifests.artifact_type');
  const isIndex = sql`(${column} is null and ${sql.ref('manifests.media_type')} in (${sql.join(INDEXES)}))`;
  if (name === 'IMAGE') return sql`(${isIndex} or ${column} in (${sql.join(known ?? [])}))`;
  if (known !== undefined) return sql`${column} in (${sql.join(known)})`;
  const named = (inner: string) =>
    sql<SqlBool>`lower(${column}) like ${`application/vnd.%.${inner}.config.%`} escape '\\'`;
  if (name !== UNKNOWN) return named(name.toLowerCase().replace(/[\\%_]/g, '\\$&'));
  const all = [...KNOWN.values()].flat();
  return sql`not coalesce(${isIndex} or ${column} in (${sql.join(all)}) or ${named('%')}, false)`;
}

/** What hangs on another artifact, by its own type; `subject.accessory` where nothing more is known. */
export function typeOfAccessory(artifactType: string | undefined): string {
  return ACCESSORIES.get(artifactType ?? '') ?? 'subject.accessory';
}

const ACCESSORIES: ReadonlyMap<string, string> = new Map([
  ['application/vnd.dev.cosign.artifact.sig.v1+json', 'signature.cosign'],
  ['application/vnd.dev.sigstore.bundle.v0.3+json', 'signature.cosign'],
  ['application/vnd.cncf.notary.signature', 'signature.notation'],
  ['application/vnd.goharbor.harbor.sbom.v1', 'sbom.harbor'],
]);
