/** A method of a generated service, its messages unknown. */
export interface AnyMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestSerialize(value: never): Buffer;
  requestDeserialize(bytes: Buffer): unknown;
  responseSerialize(value: never): Buffer;
  responseDeserialize(bytes: Buffer): unknown;
}

/** A generated service, such as `AttackService`. */
export type ServiceShape = Readonly<Record<string, AnyMethod>>;

/** Request message of a method. */
export type RequestOf<Method> = Method extends { requestSerialize: (value: infer Request) => Buffer } ? Request : never;

/** Response message of a method. */
export type ResponseOf<Method> = Method extends { responseSerialize: (value: infer Response) => Buffer }
  ? Response
  : never;

/** Which sides of a method are streams. */
export type MethodKind = 'unary' | 'server-stream' | 'client-stream' | 'bidi-stream';

/** The kind of a method. */
export function methodKind(method: AnyMethod): MethodKind {
  if (method.requestStream) return method.responseStream ? 'bidi-stream' : 'client-stream';
  return method.responseStream ? 'server-stream' : 'unary';
}

/** Full name of a service, such as `percept.v1.Attack`, from its methods' paths. */
export function serviceName(service: ServiceShape): string {
  const first = Object.values(service)[0];
  if (first === undefined) throw new Error('a service without methods has no name');
  return first.path.split('/')[1] ?? '';
}
