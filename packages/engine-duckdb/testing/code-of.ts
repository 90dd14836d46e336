// SPDX-License-Identifier: Apache-2.0
// Refusals as tests of this package compare them: by their code.
import { isCoded } from '@cloister/core';

/** The code that something is refused with, or `ok`; what has no code is thrown. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (error) {
    if (!isCoded(error)) throw error;
    return error.code;
  }
}
