/** A data file is truncated, corrupt or not what its name says; the message names the file and where. */
export class DatasetError extends Error {
  constructor(file: string, problem: string) {
    super(`${file}: ${problem}`);
    this.name = 'DatasetError';
  }
}
