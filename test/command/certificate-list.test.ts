import { describe, expect, test } from 'vitest';
import { listedAsArguments, listedInText } from '../../src/command/certificate-list.ts';

describe('a list of certificates', () => {
  test('has one per line, and knows the line of each', () => {
    expect(listedInText('aa\nbb\n')).toEqual([
      { where: 'line 1', text: 'aa' },
      { where: 'line 2', text: 'bb' },
    ]);
  });

  test('counts blank lines and comments, and ignores them', () => {
    const text = '# from the forensics team\n\n  aa  \n\t\n  # no\nbb\t# the gateway\n#cc';
    expect(listedInText(text)).toEqual([
      { where: 'line 3', text: 'aa' },
      { where: 'line 6', text: 'bb' },
    ]);
  });

  test('takes a # for a comment only at the start or after a space', () => {
    expect(listedInText('aa#bb')).toEqual([{ where: 'line 1', text: 'aa#bb' }]);
  });

  test('is the same with the line ends and the byte order mark of Windows', () => {
    expect(listedInText('\ufeffaa\r\n\r\nbb\r\n')).toEqual([
      { where: 'line 1', text: 'aa' },
      { where: 'line 3', text: 'bb' },
    ]);
  });

  test('may end without a line end, and may be empty', () => {
    expect(listedInText('aa')).toHaveLength(1);
    expect(listedInText('')).toEqual([]);
  });

  test('may be arguments, none of which is skipped', () => {
    expect(listedAsArguments([' aa', ''])).toEqual([
      { where: 'argument 1', text: 'aa' },
      { where: 'argument 2', text: '' },
    ]);
  });
});
