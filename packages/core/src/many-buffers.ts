// SPDX-License-Identifier: Apache-2.0
// A setting of V8 for processes that move gigabytes through buffers: it counts buffers as part of
// the heap, and does a full collection whenever a small heap has grown by a few megabytes. Such a
// process would spend half of its time on that.
import { setFlagsFromString } from 'node:v8';

/** Lets the heap of this process grow to four times what is live. To be called when it starts. */
export function expectManyBuffers(): void {
  setFlagsFromString('--heap-growing-percent=300');
}
