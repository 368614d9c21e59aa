// Why an attempt is thought to have failed: certainty, what it concerns, the lines that decided.

import { Link } from "@tanstack/react-router";
import type { Attempt, Cause, Job, PublicError } from "../../generated/api";
import type { JobActions } from "../../hooks/useJobActions";
import { certainty, evidenceText, exitText } from "../../lib/failure";
import { Button, linkClass } from "../ui";
import { InOtherWords } from "./InOtherWords";

interface DiagnosisProps {
  job: Job;
  error: PublicError;
  attempt: Attempt | null;
  actions: JobActions;
  onEvidence: (line: string) => void;
  inLog: (line: string) => boolean;
}

export function Diagnosis(props: DiagnosisProps) {
  const { job, error, attempt } = props;
  return (
    <>
      {attempt?.diagnosis ? (
        <Verdict {...props} attempt={attempt} diagnosis={attempt.diagnosis} />
      ) : (
        <Refusal job={job} error={error} />
      )}
      {/* Another verdict wants other words. */}
      <InOtherWords key={error.code} job={job} error={error} />
    </>
  );
}

interface VerdictProps extends Omit<DiagnosisProps, "job" | "error"> {
  attempt: Attempt;
  diagnosis: NonNullable<Attempt["diagnosis"]>;
}

function Verdict({ attempt, diagnosis, actions, onEvidence, inLog }: VerdictProps) {
  const { entity, evidence } = diagnosis;
  const ended = exitText(attempt.exit);
  return (
    <>
      <p>
        {certainty(diagnosis)}, from attempt {attempt.attempt}
        {ended && `, ${ended}`}.
      </p>
      {entity && (
        <p className="mt-1">
          Concerns <code className="rounded bg-hover px-1 font-mono text-[13px] break-all">{entity}</code>
        </p>
      )}
      {evidence.length > 0 && (
        <ul className="mt-2 flex flex-col gap-1" aria-label="Evidence">
          {evidence.map((line) => (
            <li key={line} className="flex flex-wrap items-start gap-x-2 rounded bg-hover px-2 py-1">
              <code className="min-w-0 flex-1 font-mono text-[13px] break-words whitespace-pre-wrap">
                {evidenceText(line)}
              </code>
              {inLog(line) && (
                <button type="button" className={`${linkClass} text-[13px]`} onClick={() => onEvidence(line)}>
                  Show in log
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      <Causes causes={attempt.causes} evidence={evidence} />
      <Button
        small
        look="ghost"
        className="mt-2 -ml-2"
        busy={actions.diagnose.isPending}
        onClick={() => actions.diagnose.mutate(attempt.attempt)}
        title="Judges the stored evidence again, with the rules of today"
      >
        Diagnose again
      </Button>
    </>
  );
}

/** The root of what went wrong, with the place that raised it; what followed from it is folded away. */
function Causes({ causes, evidence }: { causes: Cause[]; evidence: string[] }) {
  const [root, ...later] = causes;
  if (!root) return null;
  const said = evidence.some((line) => line.includes(root.text));
  return (
    <div className="mt-2 text-[13px]">
      <p className="break-words">
        Root cause{root.rank !== null && ` in process ${root.rank}`}:{" "}
        {said ? "the line above" : <code className="font-mono">{root.text}</code>}
      </p>
      {root.at && (
        <p className="break-words text-soft">
          raised at <code className="font-mono">{root.at}</code>
          {root.code_line && <code className="mt-0.5 block pl-4 font-mono">{root.code_line}</code>}
        </p>
      )}
      {later.length > 0 && (
        <details className="mt-1">
          <summary className="cursor-pointer text-soft">
            {later.length === 1 ? "One later symptom" : `${later.length} later symptoms`}
          </summary>
          <ol className="mt-1 flex flex-col gap-1 pl-4">
            {later.map((cause) => (
              <li key={`${cause.rank} ${cause.text}`} className="break-words text-soft">
                then{cause.rank !== null && `, in process ${cause.rank}`}:{" "}
                <code className="font-mono">{cause.text}</code>
              </li>
            ))}
          </ol>
        </details>
      )}
    </div>
  );
}

function Refusal({ job, error }: { job: Job; error: PublicError }) {
  return (
    <>
      <p>Found by the checks that come before a training starts.</p>
      {error.code.startsWith("DATASET_") && (
        <Link to="/datasets/$datasetId" params={{ datasetId: job.dataset_id }} className={linkClass}>
          Report of the data set {job.dataset_id}
        </Link>
      )}
    </>
  );
}
