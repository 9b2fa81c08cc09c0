import { EvaluationService, fileChunks } from '@percept/contracts';
import { type JobQueue, toJob } from '@percept/jobs';
import { type MountedService, mount, Violations } from '@percept/platform';
import type { Reports } from './reports.js';
import { validateEvaluation } from './validate-evaluation.js';

/** The Evaluation service: measures run as jobs (`evaluation-jobs.ts`), finished reports are read from the store (`reports.ts`). */
export function evaluationService(queue: JobQueue, reports: Reports): MountedService {
  return mount(EvaluationService, {
    submit: async (request) => {
      const { kind, spec } = validateEvaluation(request);
      const record = await queue.submit({
        kind,
        spec,
        requestId: request.requestId,
        priority: request.interactive ? 'interactive' : 'batch',
      });
      return { job: toJob(record, spec) };
    },
    getReport: ({ reportId }) => reports.get(reportId),
    getArtifact: async function* ({ reportId, name }) {
      for (const chunk of fileChunks(name, await reports.artifact(reportId, name))) yield { chunk };
    },
    compareReports: ({ reportIds }) => {
      const violations = new Violations();
      violations.check(
        reportIds.length >= 2 && reportIds.length <= 16,
        'report_ids',
        `needs 2 to 16 reports, got ${reportIds.length}`,
      );
      violations.throwIfAny();
      return reports.compare(reportIds);
    },
  });
}
