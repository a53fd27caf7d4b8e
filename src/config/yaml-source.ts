import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { ConfigurationInvalid } from './problems.ts';

export type Path = readonly PropertyKey[];

/** What a YAML file says, and on which line it says it. */
export interface YamlSource {
  /** Plain data. An empty file is an empty mapping, and a key without a value is not there. */
  readonly data: unknown;
  /** From 1. Of the closest thing above where the path itself is not in the file. */
  lineOf(path: Path): number | undefined;
}

/** @throws ConfigurationInvalid for text that is no YAML, with each line that is wrong */
export function readYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigurationInvalid(
      file,
      document.errors.map((error) => `line ${lines.linePos(error.pos[0]).line}: ${error.message}`),
    );
  }

  /** Where the last key of the path stands, as an offset into the text. */
  function offsetOf(path: Path): number | undefined {
    const parent = document.getIn(path.slice(0, -1), true);
    const key = path.at(-1);
    if (isMap(parent)) {
      const pair = parent.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === key,
      );
      return isNode(pair?.key) ? pair.key.range?.[0] : undefined;
    }
    const node = document.getIn(path, true);
    return isNode(node) ? node.range?.[0] : undefined;
  }

  return {
    data: document.toJS({ reviver: (_key, value: unknown) => value ?? undefined }) ?? {},
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const offset = offsetOf(path.slice(0, length));
        if (offset !== undefined) return lines.linePos(offset).line;
      }
      return undefined;
    },
  };
}
