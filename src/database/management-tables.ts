/** Rows of what people manage by the API; `tables.ts` draws how they hang together. */
import type { Generated } from 'kysely';
import type { Flag } from './flag.ts';

/** Harbor's metadata of a project, as text, beside what has a column of its own. */
export interface ProjectMetadataRow {
  project: number;
  name: string;
  value: string;
}

/** Of the node, or of one project. */
export interface LabelRow {
  id: Generated<number>;
  /** null: of the node. */
  project: number | null;
  name: string;
  description: string;
  color: string;
  created_at: number;
  updated_at: number;
}

export interface ManifestLabelRow {
  manifest: number;
  label: number;
}

/** Tags that nobody moves or deletes. */
export interface ImmutableRuleRow {
  id: Generated<number>;
  project: number;
  disabled: Flag;
  /** JSON: what `policies/immutability.ts` decides by. */
  rule: string;
  created_at: number;
  updated_at: number;
}

/** What the node is told by the API and not by its configuration file. */
export interface SettingRow {
  name: string;
  /** JSON. */
  value: string;
  updated_at: number;
}
