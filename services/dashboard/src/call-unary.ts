import { type CallOptions, Metadata, type ServiceError } from '@grpc/grpc-js';

/** A unary method of a generated client. */
export type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** Calls a unary method under a deadline in milliseconds; rejects with the gRPC error. */
export function callUnary<Request, Response>(
  method: UnaryMethod<Request, Response>,
  request: Request,
  timeout: number,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method(request, new Metadata(), { deadline: Date.now() + timeout }, (error, response) => {
      if (error) reject(error);
      else resolve(response);
    });
  });
}
