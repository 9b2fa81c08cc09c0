import { Command, CommanderError } from 'commander';
import { addAttack } from './commands/attack.js';
import { addData } from './commands/data.js';
import { addDoctor } from './commands/doctor.js';
import { addEvaluate } from './commands/evaluate.js';
import { addGc } from './commands/gc.js';
import { addJobs } from './commands/jobs.js';
import { addModels } from './commands/models.js';
import { addReports } from './commands/reports.js';
import { addReproduce } from './commands/reproduce.js';
import { addTrain } from './commands/train.js';
import { addUp } from './commands/up.js';
import { addVerify } from './commands/verify.js';
import { describeError, exitCodes } from './exit-code.js';

/** The `percept` command: parses arguments, runs, and answers with the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command('percept')
    .description('Trains, attacks and measures image classifiers.')
    .exitOverride()
    .showSuggestionAfterError();
  for (const add of [
    addUp,
    addDoctor,
    addData,
    addTrain,
    addModels,
    addAttack,
    addEvaluate,
    addVerify,
    addReports,
    addJobs,
    addGc,
    addReproduce,
  ])
    add(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCodes.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const { message, code } = describeError(error);
    process.stderr.write(`percept: ${message}\n`);
    return code;
  }
}
