import { plain } from './table.ts';
import { yamlText } from './yaml-text.ts';

/** What another tool is told, in our words. */
export interface Imported {
  /** As the configuration file has them. */
  readonly endpoints: Readonly<Record<string, object>>;
  readonly policies: Readonly<Record<string, object>>;
  /** What has no counterpart, or is another thing here, for people. */
  readonly untold: readonly string[];
}

/** A configuration file, which says first what it does not say. */
export function importedText({ endpoints, policies, untold }: Imported): string {
  const remarks = untold.map((about) => `# ${plain(about.replaceAll(/\s+/g, ' '))}\n`).join('');
  const parts = {
    ...(Object.keys(endpoints).length === 0 ? {} : { endpoints }),
    ...(Object.keys(policies).length === 0 ? {} : { policies: { replication: policies } }),
  };
  return `${remarks}${yamlText(parts)}`;
}
