/** Replication: when a schedule starts a policy. */
import { z } from 'zod';

export const CronExpression = z
  .string()
  .max(100)
  .regex(
    /^\S+(?:\s+\S+){4,5}$/,
    'a schedule: minute, hour, day of the month, month, day of the week; with seconds before them or without',
  );

export const TimeZone = z
  .string()
  .max(100)
  .refine(isTimeZone, 'a time zone such as UTC or Europe/Berlin');

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
