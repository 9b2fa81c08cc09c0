import { status } from '@grpc/grpc-js';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Metrics of a process: a registry for anyone's, the calls of its server under the names of go-grpc-prometheus, and the jobs that it runs. */
export interface Metrics {
  readonly registry: Registry;
  /** Counts a call that begins; the function it returns counts its end. */
  callStarted(service: string, method: string, type: GrpcType): (code: number) => void;
  /** Counts an attempt at a job that begins; the function it returns counts its end by the state in which it left the job. */
  jobStarted(kind: string): (state: string) => void;
}

/** Kind of a call in metrics. */
export type GrpcType = 'unary' | 'client_stream' | 'server_stream' | 'bidi_stream';

const labels = ['grpc_type', 'grpc_service', 'grpc_method'] as const;

/** Makes a registry with the call metrics in it. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const started = new Counter({
    name: 'grpc_server_started_total',
    help: 'Total number of RPCs started on the server.',
    labelNames: labels,
    registers,
  });
  const handled = new Counter({
    name: 'grpc_server_handled_total',
    help: 'Total number of RPCs completed on the server, regardless of success or failure.',
    labelNames: [...labels, 'grpc_code'] as const,
    registers,
  });
  const seconds = new Histogram({
    name: 'grpc_server_handling_seconds',
    help: 'Histogram of response latency (seconds) of RPCs handled by the server.',
    labelNames: labels,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const running = new Gauge({
    name: 'percept_jobs_running',
    help: 'Jobs that this process runs now.',
    labelNames: ['kind'],
    registers,
  });
  const attempts = new Counter({
    name: 'percept_job_attempts_total',
    help: 'Attempts at jobs that ended, by the state in which they left the job; QUEUED: handed back or to be retried, LOST: taken over by another worker.',
    labelNames: ['kind', 'state'],
    registers,
  });
  const attemptSeconds = new Histogram({
    name: 'percept_job_attempt_seconds',
    help: 'Histogram of the time that attempts at jobs took (seconds).',
    labelNames: ['kind'],
    buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800, 7_200, 43_200],
    registers,
  });
  return {
    registry,
    jobStarted: (kind) => {
      running.inc({ kind });
      const stop = attemptSeconds.startTimer({ kind });
      return (state) => {
        stop();
        running.dec({ kind });
        attempts.inc({ kind, state });
      };
    },
    callStarted: (service, method, type) => {
      const call = { grpc_type: type, grpc_service: service, grpc_method: method };
      started.inc(call);
      const stop = seconds.startTimer(call);
      return (code) => {
        stop();
        handled.inc({ ...call, grpc_code: codeLabel(code) });
      };
    },
  };
}

/** Names codes as Go does, which is what dashboards expect: `OK`, `NotFound`, `Canceled`. */
function codeLabel(code: number): string {
  if (code === status.OK) return 'OK';
  if (code === status.CANCELLED) return 'Canceled';
  const name = (status as Readonly<Record<number, string>>)[code] ?? 'UNKNOWN';
  return name
    .split('_')
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join('');
}
