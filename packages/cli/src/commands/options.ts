// SPDX-License-Identifier: Apache-2.0
// Options that several commands share, and how their values are read.
import { resolve } from 'node:path';
import type { DatasetRequest } from '@cloister/api';
import { type Command, Option } from 'commander';
import { cliError } from '../errors.ts';

/** Millionths of a unit, by what is counted. */
type Price = Required<DatasetRequest['price']>;

export const FREE: Price = { currency: 'EUR', run: 0, row: 0, gigabyte: 0, second: 0 };

/** Adds --home, the organisation's folder; CLOISTER_HOME stands for it when it is absent. */
export function withHome(command: Command): Command {
  const option = new Option('--home <folder>', "the organisation's folder")
    .env('CLOISTER_HOME')
    .argParser((text: string) => resolve(text))
    .makeOptionMandatory();
  return command.addOption(option);
}

/** Adds one example to a command's help. */
export function withExample(command: Command, example: string): Command {
  return command.addHelpText('after', `\nExample:\n  ${example}`);
}

export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** A whole number, 0 or more. @throws CodedError `option-malformed` */
export function count(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw cliError('option-malformed', `wanted a whole number, got ${text}`);
}

/** A number, 0 or more, such as 0.5. @throws CodedError `option-malformed` */
export function amount(text: string): number {
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Number(text);
  throw cliError('option-malformed', `wanted a number such as 0.5, got ${text}`);
}

/**
 * An amount of money in units, as millionths: 0.05 is 50,000.
 * @throws CodedError `option-malformed`
 */
export function micros(text: string): number {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text);
  if (match === null) {
    throw cliError('option-malformed', `wanted an amount such as 0.05, got ${text}`);
  }
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'));
}

/** What commander makes of the options of a price: what was not said is not there. */
export interface PriceOptions {
  readonly currency?: string;
  readonly priceRun?: number;
  readonly priceRow?: number;
  readonly priceGb?: number;
  readonly priceSecond?: number;
}

/** Adds the options of a price; `otherwise` says what holds where one is not given. */
export function withPrice(command: Command, otherwise = { currency: 'EUR', amount: '0' }): Command {
  const { currency, amount } = otherwise;
  return command
    .option('--currency <code>', `ISO 4217 code of the prices; ${currency} unless told`)
    .option('--price-run <amount>', `price of a run; ${amount} unless told`, micros)
    .option('--price-row <amount>', `price of a row read; ${amount} unless told`, micros)
    .option('--price-gb <amount>', `price of a gigabyte read; ${amount} unless told`, micros)
    .option('--price-second <amount>', `price of a second; ${amount} unless told`, micros);
}

/** The price that options say, on top of `before`; undefined where none of them is given. */
export function priceOf(options: PriceOptions, before: Price = FREE): Price | undefined {
  const { currency, priceRun, priceRow, priceGb, priceSecond } = options;
  const said = [currency, priceRun, priceRow, priceGb, priceSecond];
  if (said.every((one) => one === undefined)) return undefined;
  return {
    currency: currency ?? before.currency,
    run: priceRun ?? before.run,
    row: priceRow ?? before.row,
    gigabyte: priceGb ?? before.gigabyte,
    second: priceSecond ?? before.second,
  };
}

/** `name=value`, repeated, as a record. @throws CodedError `option-malformed` */
export function pairs(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.lastIndexOf('=');
  if (at > 0) return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
  throw cliError('option-malformed', `wanted name=value, got ${text}`);
}
