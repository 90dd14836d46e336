// SPDX-License-Identifier: Apache-2.0
// A gateway's own timers: what waits by them keeps no process alive, since a gateway lives as long
// as it listens.
import { systemTimers, type Timers } from '@cloister/core';

export const backgroundTimers: Timers = {
  elapsed: () => systemTimers.elapsed(),
  after(ms, wake) {
    const timer = setTimeout(wake, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
