/** The backup is not there; the message is for the operator as it is. */
export class BackupFailed extends Error {
  override readonly name = 'BackupFailed';
}
