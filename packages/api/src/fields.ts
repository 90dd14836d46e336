// SPDX-License-Identifier: Apache-2.0
// Fields that many bodies have.
import { z } from 'zod';

/** So many bytes, in lower-case hexadecimal. */
export const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`), `wanted ${2 * bytes} hexadecimal digits`);

export const count = z.number().int().min(0);
