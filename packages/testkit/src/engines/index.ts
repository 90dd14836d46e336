// SPDX-License-Identifier: Apache-2.0
// Planners and runners: what each must do, as checks, and a small engine that is not SQL.
export { type Check, PLANNER_CHECKS, type PlannerSubject } from './planner-checks.ts';
export { RUNNER_CHECKS, type RunnerSubject } from './runner-checks.ts';
export { SCORECARD_KIND, scorecardPlanner, scorecardRunner } from './scorecard.ts';
export { type Cell, type TestTables, testTables } from './tables.ts';
