/** What the native engine is: its TF.js backend's name and how it computes. */
export interface NativeEngineInfo {
  /** Name of the registered TF.js backend. */
  readonly backend: string;
  readonly version: string;
  /** The instruction set its kernels use on this CPU. */
  readonly path: string;
}

/** Registers the native backend with TF.js; safe to repeat. Throws when the addon was not built. */
export function registerNativeBackend(_options: { readonly threads: number }): NativeEngineInfo {
  throw new Error('the addon is not built');
}
