/** What people read on a terminal. */

const GAP = '  ';
/** Whatever moves a terminal's cursor, or worse: names and reasons come from other machines. */
export const CONTROL = /[\p{Cc}\p{Cf}]/gu;

/** Columns as wide as their longest cell; the last one ends with its text. */
export function table(
  header: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
): string {
  const texts = [header, ...rows.map((row) => row.map((cell) => plain(`${cell ?? ''}`)))];
  const widths = header.map((_, column) =>
    texts.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0),
  );
  return texts
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(GAP))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** Without what a terminal would obey. */
export function plain(text: string): string {
  return text.replaceAll(CONTROL, '\u{FFFD}');
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function sizeText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}
