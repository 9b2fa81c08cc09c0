/** What the conformance run uses of jasmine, which ships no types. */
declare module 'jasmine' {
  interface SpecResult {
    readonly status: string;
    readonly fullName: string;
    readonly failedExpectations: readonly { readonly message: string }[];
  }
  class Jasmine {
    exitOnCompletion: boolean;
    loadConfig(config: { spec_files: string[]; random: boolean }): void;
    clearReporters(): void;
    addReporter(reporter: { specDone(result: SpecResult): void }): void;
    execute(): Promise<unknown>;
  }
  export = Jasmine;
}
