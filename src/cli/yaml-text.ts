import { Document, visit } from 'yaml';
import { CONTROL } from './table.ts';

/** A value as YAML that a terminal may be shown: what it would obey is escaped. */
export function yamlText(value: unknown): string {
  const document = new Document(value);
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && node.value.search(CONTROL) >= 0) {
        node.type = 'QUOTE_DOUBLE';
      }
    },
  });
  // What is left of it stands between double quotes.
  return document.toString().replaceAll(CONTROL, escaped);
}

function escaped(character: string): string {
  if (character === '\n') return character;
  return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`;
}
