// SPDX-License-Identifier: Apache-2.0
// How many columns a dataset may have. Each is an entry of the dataset's event, the digest of its
// sealed key, and an event is an entry of a tile log: that is the least of all limits, and it is
// known before anything is read, converted or sealed. spec/dataset.md, "Limits".

/** A dataset of so many columns has an event that fits, whatever else it says. */
export const DATASET_COLUMNS_MAX = 1_300;
