/** How operators name several repositories or tags at once. */
import { z } from 'zod';

/** `*` and `?` stay within one component, `**` spans components, `{a,b}` is either; everything else is meant literally. */
export const Glob = z
  .string()
  .min(1)
  .max(255)
  .refine(hasBalancedBraces, 'braces that open and close, one level deep');

const compiled = new Map<string, RegExp>();
const MOST_COMPILED = 10_000;

/** Whether the whole text matches; texts are names and tags, at most 255 characters. */
export function matches(text: string, glob: string): boolean {
  let pattern = compiled.get(glob);
  if (pattern === undefined) {
    pattern = new RegExp(`^${sourceOf(glob)}$`);
    if (compiled.size >= MOST_COMPILED) compiled.clear();
    compiled.set(glob, pattern);
  }
  return pattern.test(text);
}

function hasBalancedBraces(glob: string): boolean {
  return /^[^{}]*(?:\{[^{}]*\}[^{}]*)*$/.test(glob);
}

function sourceOf(glob: string): string {
  let inBraces = false;
  return glob.replaceAll(/\*\*\/|\*+|[^*]/g, (part) => {
    if (part === '{' || part === '}') {
      inBraces = part === '{';
      return inBraces ? '(?:' : ')';
    }
    if (part === ',') return inBraces ? '|' : ',';
    if (part === '**/') return '(?:.*/)?';
    if (part.startsWith('**')) return '.*';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    return RegExp.escape(part);
  });
}
