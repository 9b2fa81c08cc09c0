import { status } from '@grpc/grpc-js';

/** Name of a canonical gRPC status code other than OK. */
export type StatusName = Exclude<keyof typeof status, 'OK'>;

/** The number of a status name. */
export function statusNumber(name: StatusName): number {
  return status[name];
}

/** The name of a status number; UNKNOWN for OK and for numbers that gRPC does not define. */
export function statusName(code: number): StatusName {
  const name = (status as Readonly<Record<number, string>>)[code];
  return name === undefined || name === 'OK' ? 'UNKNOWN' : (name as StatusName);
}
