import { timeJson } from './json.ts';

/** A word that people put on artifacts. Times are milliseconds UTC. */
export interface Label {
  readonly id: number;
  /** Undefined: of the node. */
  readonly project: number | undefined;
  readonly name: string;
  readonly description: string;
  readonly color: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export function labelJson(label: Label): object {
  return {
    id: label.id,
    name: label.name,
    description: label.description,
    color: label.color,
    ...(label.project === undefined ? { scope: 'g' } : { scope: 'p', project_id: label.project }),
    creation_time: timeJson(label.createdAt),
    update_time: timeJson(label.updatedAt),
  };
}
