import type { TaskCheckpoint, TrainingMeasurements } from './training-task.js';

/** Where a training job stands: in the training of its own teacher, or in the training that was asked for. */
export interface JobCheckpoint {
  readonly stage: 'teacher' | 'model';
  /** Registry id of the teacher that the job itself trained. */
  readonly teacherId?: string;
  /** Absent where the stage has not begun. */
  readonly task?: TaskCheckpoint;
}

interface Header {
  readonly format: 'percept.training-job.v1';
  readonly stage: JobCheckpoint['stage'];
  readonly teacherId?: string;
  readonly measurements?: TrainingMeasurements;
}

/** A checkpoint that cannot be read. */
export class CorruptCheckpointError extends Error {
  override readonly name = 'CorruptCheckpointError';

  constructor(options?: ErrorOptions) {
    super('the checkpoint of this training is corrupt', options);
  }
}

/** Writes a checkpoint: the length of a JSON header as uint32, the header, the trainer's state. */
export function encodeJobCheckpoint({ stage, teacherId, task }: JobCheckpoint): Uint8Array {
  const header: Header = {
    format: 'percept.training-job.v1',
    stage,
    ...(teacherId === undefined ? {} : { teacherId }),
    ...(task === undefined ? {} : { measurements: task.measurements }),
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const trainer = task?.trainer ?? new Uint8Array(0);
  const bytes = new Uint8Array(4 + text.byteLength + trainer.byteLength);
  new DataView(bytes.buffer).setUint32(0, text.byteLength, true);
  bytes.set(text, 4);
  bytes.set(trainer, 4 + text.byteLength);
  return bytes;
}

/** Reads what `encodeJobCheckpoint` wrote. @throws CorruptCheckpointError. */
export function decodeJobCheckpoint(bytes: Uint8Array): JobCheckpoint {
  const length = bytes.byteLength < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const header = parseHeader(bytes.subarray(4, 4 + length));
  const { stage, teacherId, measurements } = header;
  return {
    stage,
    ...(teacherId === undefined ? {} : { teacherId }),
    ...(measurements === undefined
      ? {}
      : { task: { measurements, trainer: Uint8Array.from(bytes.subarray(4 + length)) } }),
  };
}

function parseHeader(bytes: Uint8Array): Header {
  let header: Partial<Header> | null;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Partial<Header> | null;
  } catch (error) {
    throw new CorruptCheckpointError({ cause: error });
  }
  if (header?.format !== 'percept.training-job.v1') throw new CorruptCheckpointError();
  return header as Header;
}
