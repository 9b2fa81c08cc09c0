import { TorchCheckpointError } from './torch-checkpoint-error.js';

/** Element types of storages that are read. */
export type StorageType = 'FloatStorage' | 'HalfStorage' | 'BFloat16Storage' | 'LongStorage';

/** A storage that a tensor points into, by its key in the archive. */
export interface StorageReference {
  readonly kind: 'storage';
  readonly type: StorageType;
  readonly key: string;
  /** Elements. */
  readonly length: number;
}

/** A tensor as `torch._utils._rebuild_tensor_v2` is asked for it; offset and strides in elements. */
export interface TensorReference {
  readonly kind: 'tensor';
  readonly storage: StorageReference;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** The few names that a pickle may refer to; none of them is ever run. */
interface KnownName {
  readonly kind: 'name';
  readonly name: 'OrderedDict' | '_rebuild_tensor_v2' | StorageType;
}

/** A value that the restricted unpickler builds. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | readonly PickleValue[]
  | PickleDictionary
  | StorageReference
  | TensorReference
  | KnownName;

/** A dictionary; keys are what the pickle has, mostly strings. */
export type PickleDictionary = Map<PickleValue, PickleValue>;

const knownNames: ReadonlyMap<string, KnownName['name']> = new Map([
  ['collections OrderedDict', 'OrderedDict'],
  ['torch._utils _rebuild_tensor_v2', '_rebuild_tensor_v2'],
  ['torch FloatStorage', 'FloatStorage'],
  ['torch HalfStorage', 'HalfStorage'],
  ['torch BFloat16Storage', 'BFloat16Storage'],
  ['torch LongStorage', 'LongStorage'],
]);

const mark: unique symbol = Symbol('mark');
type StackValue = PickleValue | typeof mark;

/**
 * Builds the value of a pickle (protocols 2 to 4) out of plain data, dictionaries, and references to tensors, and runs nothing: a name
 * outside a short allow-list, or an instruction that could call one, is refused.
 *
 * @throws TorchCheckpointError.
 */
export function unpickle(bytes: Uint8Array): PickleValue {
  return new RestrictedUnpickler(bytes).run();
}

class RestrictedUnpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #stack: StackValue[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): PickleValue {
    for (;;) {
      const place = this.#at;
      const code = this.#byte();
      if (code === 0x2e) return this.#pop();
      const step = instructions.get(code);
      if (step === undefined) {
        throw new TorchCheckpointError(
          `its pickle has the instruction 0x${code.toString(16)} at byte ${place}, which is not allowed`,
        );
      }
      step(this);
    }
  }

  push(value: StackValue): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    return this.#pop();
  }

  /** The values above the last mark, which goes with them. */
  popToMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(mark);
    if (at < 0) throw new TorchCheckpointError('its pickle lacks a mark');
    const values = this.#stack.splice(at);
    return values.slice(1) as PickleValue[];
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === mark) throw new TorchCheckpointError('its pickle takes from an empty stack');
    return value;
  }

  skip(count: number): void {
    this.#take(count);
  }

  unsigned(size: 1 | 2 | 4): number {
    const at = this.#take(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true);
  }

  signed32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  float64(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  /** A little-endian integer in two's complement. */
  longInteger(size: number): number {
    const at = this.#take(size);
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i] as number);
    const number = Number(BigInt.asIntN(8 * size, value));
    if (!Number.isSafeInteger(number)) throw new TorchCheckpointError('its pickle holds an integer beyond 2^53');
    return number;
  }

  text(length: number): string {
    const at = this.#take(length);
    return new TextDecoder().decode(this.#bytes.subarray(at, at + length));
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw new TorchCheckpointError('its pickle is truncated');
    const text = this.text(end - this.#at);
    this.skip(1);
    return text;
  }

  remember(index: number): void {
    this.#memo.set(index, this.top());
  }

  rememberNext(): void {
    this.remember(this.#memo.size);
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw new TorchCheckpointError(`its pickle recalls ${index}, which it never remembered`);
    this.push(value);
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.byteLength) throw new TorchCheckpointError('its pickle is truncated');
    this.#at += count;
    return at;
  }

  #pop(): PickleValue {
    const value = this.top();
    this.#stack.pop();
    return value;
  }
}

function knownName(module: string, name: string): KnownName {
  const known = knownNames.get(`${module} ${name}`);
  if (known === undefined) {
    throw new TorchCheckpointError(
      `it refers to ${module}.${name}; only tensors and dictionaries are read, and nothing is run`,
    );
  }
  return { kind: 'name', name: known };
}

function reduce(callee: PickleValue, args: PickleValue): PickleValue {
  const name = isKind(callee, 'name') ? callee.name : undefined;
  if (name === 'OrderedDict' && Array.isArray(args) && args.length === 0) return new Map();
  if (name === '_rebuild_tensor_v2' && Array.isArray(args)) return tensorReference(args);
  throw new TorchCheckpointError(`it calls ${name ?? 'something that is no function'} in a way that is not allowed`);
}

function tensorReference([storage, offset, shape, strides]: readonly PickleValue[]): TensorReference {
  const sound =
    isKind(storage, 'storage') &&
    isCount(offset) &&
    isCounts(shape) &&
    isCounts(strides) &&
    shape.length === strides.length;
  if (!sound) throw new TorchCheckpointError('it describes a tensor without a sound storage, offset, shape or strides');
  return { kind: 'tensor', storage, offset, shape, strides };
}

function storageReference(id: PickleValue): StorageReference {
  const [kind, type, key, , length] = Array.isArray(id) ? (id as readonly PickleValue[]) : [];
  const sound = kind === 'storage' && isKind(type, 'name') && type.name.endsWith('Storage') && typeof key === 'string';
  if (!sound || !isCount(length)) throw new TorchCheckpointError('it refers to something outside that is no storage');
  return { kind: 'storage', type: type.name as StorageType, key, length };
}

function isKind<Kind extends 'storage' | 'tensor' | 'name'>(
  value: PickleValue | undefined,
  kind: Kind,
): value is Extract<PickleValue, { readonly kind: Kind }> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: PickleValue | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every(isCount);
}

function dictionaryBelow(machine: RestrictedUnpickler): PickleDictionary {
  const value = machine.top();
  if (!(value instanceof Map)) throw new TorchCheckpointError('it sets items of something that is no dictionary');
  return value;
}

function setItems(machine: RestrictedUnpickler, items: readonly PickleValue[]): void {
  const dictionary = dictionaryBelow(machine);
  if (items.length % 2 !== 0) throw new TorchCheckpointError('it sets a key without a value');
  for (let i = 0; i < items.length; i += 2) dictionary.set(items[i] as PickleValue, items[i + 1] as PickleValue);
}

function append(machine: RestrictedUnpickler, items: readonly PickleValue[]): void {
  const list = machine.top();
  if (!Array.isArray(list)) throw new TorchCheckpointError('it appends to something that is no list');
  for (const item of items) (list as PickleValue[]).push(item);
}

function tuple(machine: RestrictedUnpickler, size: number): void {
  const values: PickleValue[] = [];
  for (let i = 0; i < size; i++) values.unshift(machine.pop());
  machine.push(values);
}

type Instruction = (machine: RestrictedUnpickler) => void;

/** The instructions of protocols 2 to 4 that build plain data, by code. */
const instructions: ReadonlyMap<number, Instruction> = new Map<number, Instruction>([
  [0x80, (machine) => machine.skip(1)], // PROTO
  [0x95, (machine) => machine.skip(8)], // FRAME
  [0x28, (machine) => machine.push(mark)], // MARK
  [0x4e, (machine) => machine.push(null)], // NONE
  [0x88, (machine) => machine.push(true)], // NEWTRUE
  [0x89, (machine) => machine.push(false)], // NEWFALSE
  [0x4b, (machine) => machine.push(machine.unsigned(1))], // BININT1
  [0x4d, (machine) => machine.push(machine.unsigned(2))], // BININT2
  [0x4a, (machine) => machine.push(machine.signed32())], // BININT
  [0x8a, (machine) => machine.push(machine.longInteger(machine.unsigned(1)))], // LONG1
  [0x47, (machine) => machine.push(machine.float64())], // BINFLOAT
  [0x58, (machine) => machine.push(machine.text(machine.unsigned(4)))], // BINUNICODE
  [0x8c, (machine) => machine.push(machine.text(machine.unsigned(1)))], // SHORT_BINUNICODE
  [0x7d, (machine) => machine.push(new Map())], // EMPTY_DICT
  [0x5d, (machine) => machine.push([])], // EMPTY_LIST
  [0x29, (machine) => machine.push([])], // EMPTY_TUPLE
  [0x74, (machine) => machine.push(machine.popToMark())], // TUPLE
  [0x85, (machine) => tuple(machine, 1)], // TUPLE1
  [0x86, (machine) => tuple(machine, 2)], // TUPLE2
  [0x87, (machine) => tuple(machine, 3)], // TUPLE3
  [0x61, (machine) => append(machine, [machine.pop()])], // APPEND
  [0x65, (machine) => append(machine, machine.popToMark())], // APPENDS
  [0x73, (machine) => setItems(machine, [machine.pop(), machine.pop()].reverse())], // SETITEM
  [0x75, (machine) => setItems(machine, machine.popToMark())], // SETITEMS
  [0x71, (machine) => machine.remember(machine.unsigned(1))], // BINPUT
  [0x72, (machine) => machine.remember(machine.unsigned(4))], // LONG_BINPUT
  [0x94, (machine) => machine.rememberNext()], // MEMOIZE
  [0x68, (machine) => machine.recall(machine.unsigned(1))], // BINGET
  [0x6a, (machine) => machine.recall(machine.unsigned(4))], // LONG_BINGET
  [0x63, (machine) => machine.push(knownName(machine.line(), machine.line()))], // GLOBAL
  [
    0x93, // STACK_GLOBAL
    (machine) => {
      const name = machine.pop();
      machine.push(knownName(String(machine.pop()), String(name)));
    },
  ],
  [0x51, (machine) => machine.push(storageReference(machine.pop()))], // BINPERSID
  [
    0x52, // REDUCE
    (machine) => {
      const args = machine.pop();
      machine.push(reduce(machine.pop(), args));
    },
  ],
  [
    0x62, // BUILD, which gives an OrderedDict its _metadata
    (machine) => {
      machine.pop();
      dictionaryBelow(machine);
    },
  ],
]);
