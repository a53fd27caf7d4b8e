/** What the command was for is not done; the message is for the operator as it is. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}
