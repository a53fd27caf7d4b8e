import { MasterKeyMissing } from '../access/master-key.ts';
import { SecretUnreadable } from '../access/secrets.ts';
import { DeclarationConflict } from '../catalog/declarations.ts';
import { CredentialLost } from '../catalog/endpoint-drafts.ts';
import { ConfigurationInvalid } from '../config/problems.ts';
import { DataFolderInUse, DataTooNew } from '../database/errors.ts';
import { describeError } from '../telemetry/redact.ts';
import { CommandFailed } from './command-failed.ts';
import { UsageError } from './usage.ts';

/** How a command ends that could not do what it was told. */
export interface Failure {
  /** For standard error. */
  readonly text: string;
  readonly exitCode: 1 | 2;
}

/** Things that the operator has to change before it can work. */
const UNUSABLE = [
  UsageError,
  ConfigurationInvalid,
  DeclarationConflict,
  DataFolderInUse,
  DataTooNew,
  MasterKeyMissing,
  SecretUnreadable,
  CredentialLost,
] as const;

const LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something listens there already',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not',
  ENOTFOUND: 'there is no such host',
};

/** One readable message where the reason is known; where it is not, everything there is, for a report. */
export function failureOf(error: unknown): Failure {
  if (UNUSABLE.some((kind) => error instanceof kind) && error instanceof Error) {
    return { text: error.message, exitCode: 2 };
  }
  if (error instanceof CommandFailed) return { text: error.message, exitCode: 1 };
  if (isSystemError(error)) return { text: systemText(error), exitCode: 1 };
  const { stack, name, message } = describeError(error);
  return { text: stack ?? `${name}: ${message}`, exitCode: 1 };
}

interface SystemError extends NodeJS.ErrnoException {
  readonly code: string;
  readonly syscall: string;
  readonly address?: string;
  readonly port?: number;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

function systemText(error: SystemError): string {
  if (error.syscall !== 'listen' && error.syscall !== 'getaddrinfo') return error.message;
  const where = `${error.address ?? ''}:${error.port ?? ''}`;
  return `cannot listen on ${where}: ${LISTENING[error.code] ?? error.code}`;
}
