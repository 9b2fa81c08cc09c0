import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Below } from './mutations.js';

/** What random fields are filled with, beside numbers. */
export interface Vocabulary {
  readonly strings: readonly string[];
  readonly bytes: readonly Uint8Array[];
  /** Fields that stay empty. */
  readonly avoided: ReadonlySet<string>;
}

const integers = [0, 1, 2, 3, 5, 8, 32, 100, 1_000, 65_536, 2 ** 31 - 1];
const numbers = [0, 1, -1, 0.1, 0.3, 2, 8 / 255, 1e-9, 1e308, 5e-324, Number.NaN, Infinity, -Infinity];
const deepest = 6;

/** A message of the right shape with fields at random, each present with `density`; extremes, repetitions and empty parts included. */
export function randomMessage(
  shape: DescMessage,
  vocabulary: Vocabulary,
  density: number,
  below: Below,
  depth = 0,
): Uint8Array {
  const writer = new BinaryWriter();
  for (const field of shape.fields) {
    if (vocabulary.avoided.has(field.name) || below(1_000) >= density * 1_000) continue;
    const repetitions = field.fieldKind === 'list' || field.fieldKind === 'map' ? below(below(50) === 0 ? 300 : 4) : 1;
    for (let i = 0; i < repetitions; i++) writeField(writer, field, vocabulary, below, depth);
  }
  return writer.finish();
}

function writeField(writer: BinaryWriter, field: DescField, vocabulary: Vocabulary, below: Below, depth: number): void {
  const submessage = (shape: DescMessage): Uint8Array =>
    depth >= deepest ? new Uint8Array() : randomMessage(shape, vocabulary, 0.6, below, depth + 1);
  if (field.fieldKind === 'map') {
    writer.tag(field.number, WireType.LengthDelimited).bytes(new Uint8Array());
  } else if (field.message !== undefined) {
    writer.tag(field.number, WireType.LengthDelimited).bytes(submessage(field.message));
  } else if (field.enum !== undefined) {
    writer.tag(field.number, WireType.Varint).int32(below(field.enum.values.length + 1));
  } else {
    writeScalar(writer, field.number, field.scalar as ScalarType, vocabulary, below);
  }
}

function writeScalar(
  writer: BinaryWriter,
  number: number,
  scalar: ScalarType,
  vocabulary: Vocabulary,
  below: Below,
): void {
  const draw = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item;
  switch (scalar) {
    case ScalarType.STRING:
      writer.tag(number, WireType.LengthDelimited).string(draw(vocabulary.strings));
      break;
    case ScalarType.BYTES:
      writer.tag(number, WireType.LengthDelimited).bytes(draw(vocabulary.bytes));
      break;
    case ScalarType.DOUBLE:
      writer.tag(number, WireType.Bit64).double(draw(numbers));
      break;
    case ScalarType.FLOAT:
      writer.tag(number, WireType.Bit32).float(draw(numbers.filter((value) => Math.abs(value) !== 1e308)));
      break;
    case ScalarType.BOOL:
      writer.tag(number, WireType.Varint).bool(below(2) === 1);
      break;
    case ScalarType.INT32:
    case ScalarType.INT64:
      writer.tag(number, WireType.Varint).int64(below(8) === 0 ? -draw(integers) : draw(integers));
      break;
    case ScalarType.UINT32:
    case ScalarType.UINT64:
      writer.tag(number, WireType.Varint).uint64(below(8) === 0 ? 2 ** 32 - 1 : draw(integers));
      break;
    default:
      throw new Error(`the contracts use no ${ScalarType[scalar]}`);
  }
}
