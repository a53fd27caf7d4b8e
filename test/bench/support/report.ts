import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Answer } from './question.ts';

/** The page `docs/benchmarks.md`. */
export function report(answers: readonly Answer[], at: Date): string {
  const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  const rows = answers.map(({ question, unit, figures, promise, ratio, isKept }) => {
    const told = Object.entries(figures).map(([name, value]) => `${name} ${rounded(value)}`);
    const verdict = isKept ? 'yes' : '**no**';
    return `| ${question} (${unit}) | ${told.join(' · ')} | ${ratio.toFixed(2)}x | ${promise} | ${verdict} |`;
  });
  return [
    '# Benchmarks',
    '',
    `Written by \`npm run bench\` on ${at.toISOString().slice(0, 10)}: Node ${process.version}, Linux ${kernel}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}.`,
    'Medians of interleaved rounds in one run; servers on one core, clients on the other, in their own network namespace.',
    'Ratios compare; the absolute figures belong to that machine.',
    '',
    '| question | figures | ratio | promise | held |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function rounded(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
