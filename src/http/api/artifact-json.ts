import { timeJson } from './json.ts';
import { type Label, labelJson } from './label-json.ts';

/** A manifest as people look at it. Sizes are bytes, times milliseconds UTC. */
export interface Artifact {
  readonly id: number;
  readonly digest: string;
  readonly repository: { readonly id: number; readonly name: string; readonly project: number };
  readonly type: string;
  readonly mediaType: string;
  readonly manifestMediaType: string;
  readonly artifactType: string | undefined;
  readonly size: number;
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly tags: readonly ArtifactTag[];
  readonly labels: readonly Label[];
  readonly references: readonly ArtifactReference[];
  readonly accessories: readonly Accessory[];
}

export interface ArtifactTag {
  readonly id: number;
  readonly name: string;
  readonly isImmutable: boolean;
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
}

interface ArtifactReference {
  readonly digest: string;
  readonly id: number | undefined;
  readonly platform:
    | {
        readonly architecture?: string | undefined;
        readonly os?: string | undefined;
        readonly 'os.version'?: string | undefined;
        readonly 'os.features'?: string[] | undefined;
        readonly variant?: string | undefined;
      }
    | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly urls: readonly string[];
}

export interface Accessory {
  readonly id: number;
  readonly digest: string;
  readonly type: string;
  readonly size: number;
  readonly subject: { readonly id: number; readonly digest: string };
  readonly createdAt: number;
}

/** What of an artifact a client wants beside what it is. */
export interface Wanted {
  readonly tags: boolean;
  readonly labels: boolean;
  readonly accessories: boolean;
}

export function artifactJson(artifact: Artifact, wanted: Wanted): object {
  const { id, repository, pulledAt, artifactType } = artifact;
  const project = repository.name.split('/', 1)[0] ?? '';
  const isIndex = artifact.references.length > 0;
  return {
    id,
    type: artifact.type,
    media_type: artifact.mediaType,
    manifest_media_type: artifact.manifestMediaType,
    ...(artifactType === undefined ? {} : { artifact_type: artifactType }),
    project_id: repository.project,
    repository_id: repository.id,
    repository_name: repository.name,
    digest: artifact.digest,
    size: artifact.size,
    push_time: timeJson(artifact.pushedAt),
    ...(pulledAt === undefined ? {} : { pull_time: timeJson(pulledAt) }),
    annotations: artifact.annotations,
    references: artifact.references.map((reference) => referenceJson(reference, id)),
    ...(artifact.type === 'IMAGE' && !isIndex
      ? { addition_links: additionsOf(project, repository.name, artifact.digest) }
      : {}),
    ...(wanted.tags ? { tags: artifact.tags.map((tag) => tagJson(tag, artifact)) } : {}),
    ...(wanted.labels ? { labels: artifact.labels.map(labelJson) } : {}),
    ...(wanted.accessories
      ? { accessories: artifact.accessories.map((each) => accessoryJson(each, repository.name)) }
      : {}),
  };
}

export function tagJson(
  { id, name, isImmutable, pushedAt, pulledAt }: ArtifactTag,
  artifact: Pick<Artifact, 'id' | 'repository'>,
): object {
  return {
    id,
    name,
    artifact_id: artifact.id,
    repository_id: artifact.repository.id,
    immutable: isImmutable,
    push_time: timeJson(pushedAt),
    ...(pulledAt === undefined ? {} : { pull_time: timeJson(pulledAt) }),
  };
}

export function accessoryJson(
  { id, digest, type, size, subject, createdAt }: Accessory,
  repository: string,
): object {
  return {
    id,
    artifact_id: id,
    digest,
    type,
    size,
    subject_artifact_id: subject.id,
    subject_artifact_digest: subject.digest,
    subject_artifact_repo: repository,
    creation_time: timeJson(createdAt),
  };
}

/** Where an artifact is, below the API: the repository's name is encoded twice. */
export function artifactPath(project: string, repository: string, reference: string): string {
  const name = repository.slice(project.length + 1);
  const encoded = encodeURIComponent(encodeURIComponent(name));
  return `/projects/${project}/repositories/${encoded}/artifacts/${reference}`;
}

function additionsOf(project: string, repository: string, digest: string): object {
  const path = artifactPath(project, repository, digest);
  return {
    build_history: { href: `/api/v2.0${path}/additions/build_history`, absolute: false },
  };
}

function referenceJson(
  { digest, id, platform, annotations, urls }: ArtifactReference,
  parent: number,
): object {
  return {
    parent_id: parent,
    ...(id === undefined ? {} : { child_id: id }),
    child_digest: digest,
    ...(platform === undefined ? {} : { platform: platformJson(platform) }),
    annotations,
    urls,
  };
}

function platformJson({
  'os.version': version,
  'os.features': features,
  ...platform
}: NonNullable<ArtifactReference['platform']>): object {
  return {
    ...platform,
    // The quotes are Harbor's: its contract has them in the name.
    ...(version === undefined ? {} : { "'os.version'": version }),
    ...(features === undefined ? {} : { "'os.features'": features }),
  };
}
