import { describe, expect, it } from 'vitest';
import { formatTable } from '../src/table.js';

describe('formatTable', () => {
  it('aligns words to the left and numbers to the right', () => {
    expect(
      formatTable(
        ['model', 'clean'],
        [
          ['pgd', 98.1],
          ['standard', 5],
        ],
      ),
    ).toBe('model     clean\npgd        98.1\nstandard      5');
  });

  it('writes only the header when there are no rows', () => {
    expect(formatTable(['model', 'clean'], [])).toBe('model  clean');
  });
});
