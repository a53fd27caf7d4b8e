/** What happens to artifacts and tags, in the words of Harbor (v2.13 src/controller/event/topic.go). */
import type { Digest } from '../oci/digest.ts';
import type { Actor, AuditEntry } from './audit.ts';

/** Of a canonical repository. */
export interface AuditedArtifact {
  readonly repository: string;
  /** The project's id. */
  readonly project: number;
  readonly digest: Digest;
  /** By which it was pushed or pulled. */
  readonly tag?: string | undefined;
}

interface AuditedTag extends Omit<AuditedArtifact, 'digest'> {
  readonly tag: string;
}

/** Who did it and when (milliseconds UTC). */
interface Done {
  readonly actor: Actor;
  readonly at: number;
}

const VERBS = { create: 'push', delete: 'delete', pull: 'pull' } as const;

/** Pushed, deleted or pulled. */
export function artifactEntry(
  operation: keyof typeof VERBS,
  { repository, project, digest, tag }: AuditedArtifact,
  done: Done,
): AuditEntry {
  const artifact = `${repository}@${digest}`;
  return {
    ...done,
    operation,
    resourceType: 'artifact',
    resource: tag === undefined ? artifact : `${repository}:${tag}`,
    project,
    succeeded: true,
    detail: `${VERBS[operation]} artifact: ${artifact}`,
  };
}

export function tagEntry(
  operation: 'create' | 'delete',
  { repository, project, tag }: AuditedTag,
  done: Done,
): AuditEntry {
  const resource = `${repository}:${tag}`;
  const detail = `${operation} tag: ${resource}`;
  return { ...done, operation, resourceType: 'tag', resource, project, succeeded: true, detail };
}
