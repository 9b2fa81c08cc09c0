import { invalidArgument, rpcError, type StatusName } from '@percept/contracts';

/** How the errors of registry and import answer a call, by class name. */
const codes: Readonly<Record<string, StatusName>> = {
  ModelNotFoundError: 'NOT_FOUND',
  ModelInUseError: 'FAILED_PRECONDITION',
  ModelRequestReusedError: 'ALREADY_EXISTS',
  CorruptRegistryError: 'DATA_LOSS',
};

/** Errors of the file that is imported. */
const ofTheFile: readonly string[] = ['SafetensorsError', 'TorchCheckpointError', 'WeightsMismatchError'];

/** Runs the work of a call; errors of registry and import become the answers that callers see. */
export async function answering<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && ofTheFile.includes(error.name)) {
      throw invalidArgument([{ field: 'chunk', description: error.message }]);
    }
    const code = error instanceof Error ? codes[error.name] : undefined;
    if (code === undefined) throw error;
    throw rpcError(code, (error as Error).message, { cause: error });
  }
}
