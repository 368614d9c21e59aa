import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { toast } from "sonner";
import type { BulkRetryAnswer } from "../../generated/api";
import { tell } from "../../lib/tell";
import type { JobSearch } from "../../router";
import { ApiError, api } from "../../services/api";
import { Code } from "../Code";
import { Dialog } from "../Dialog";
import { ErrorAlert } from "../ErrorAlert";
import { Button } from "../ui";

const jobs = (count: number) => (count === 1 ? "1 job" : `${count.toLocaleString("en")} jobs`);

interface Props {
  code: string;
  count: number;
  search: JobSearch;
}

/** Tries all unresolved jobs of a code again, after a question, and says what became of each. */
export function RetryMany({ code, count, search }: Props) {
  const [asking, setAsking] = useState(false);
  const client = useQueryClient();
  const retry = useMutation({
    mutationFn: (apply: "safe" | null) =>
      api.retryMany({ code, apply, q: search.q ?? null, dataset_id: search.dataset ?? null }),
    onSuccess: (answer) => {
      client.invalidateQueries({ queryKey: ["jobs"] });
      if (answer.retried.length) toast.success(`${jobs(answer.retried.length)} started again`);
      if (!answer.refused.length && !answer.left) setAsking(false);
    },
    onError: tell,
  });
  return (
    <>
      <Button small onClick={() => setAsking(true)}>
        Retry {count.toLocaleString("en")}
        <span className="sr-only"> unresolved {code}</span>
      </Button>
      {asking && (
        <Dialog title={`Try ${jobs(count)} again?`} onClose={() => setAsking(false)}>
          <p>
            {search.q || search.dataset ? "Of the jobs that match the search, those" : "The jobs"} that failed
            with <code className="font-mono">{code}</code> and have not been tried again. Each starts as a new
            job, and the old one links to it.
          </p>
          {retry.error instanceof ApiError && (
            <div className="mt-3">
              <ErrorAlert error={retry.error} onRetry={() => retry.mutate(retry.variables ?? null)} />
            </div>
          )}
          {retry.data && <Outcome answer={retry.data} />}
          <div className="mt-4 flex flex-wrap justify-end gap-2">
            <Button onClick={() => setAsking(false)}>{retry.data ? "Close" : "Leave them"}</Button>
            <Button busy={retry.isPending} onClick={() => retry.mutate(null)}>
              Retry unchanged
            </Button>
            <Button look="primary" busy={retry.isPending} onClick={() => retry.mutate("safe")}>
              Retry with safe fixes
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

function Outcome({ answer }: { answer: BulkRetryAnswer }) {
  return (
    <div role="status" className="mt-3 rounded-md border border-line px-3 py-2 text-[13px]">
      <p className="font-medium">
        {jobs(answer.retried.length)} started again
        {answer.refused.length > 0 && `, ${answer.refused.length} refused`}
        {answer.left > 0 && `, ${answer.left} left: retry once more for those`}
      </p>
      <ul className="mt-1 max-h-48 overflow-auto">
        {answer.refused.map(({ job_id, error }) => (
          <li key={job_id}>
            {job_id}: <Code text={error.message} />
          </li>
        ))}
      </ul>
    </div>
  );
}
