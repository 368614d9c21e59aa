// Did this help? One word for each failed job; the counts by code tell which messages want work.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { Job } from "../../generated/api";
import { failures } from "../../services/failures";
import { Button } from "../ui";

export function Helped({ job, onError }: { job: Job; onError: (error: Error) => void }) {
  const client = useQueryClient();
  const key = ["feedback", job.job_id, job.error?.code];
  const said = useQuery({ queryKey: key, queryFn: () => failures.feedback(job.job_id), retry: false });
  const give = useMutation({
    mutationFn: (helped: boolean) => failures.giveFeedback(job.job_id, helped),
    onSuccess: (answer) => client.setQueryData(key, answer),
    onError,
  });
  if (!said.data) return null;
  const { helped } = said.data;
  return (
    <fieldset className="mt-2 flex flex-wrap items-center gap-2 text-[13px]">
      <legend className="float-left mr-2 leading-7 text-soft">Did this help?</legend>
      {[true, false].map((answer) => (
        <Button
          key={String(answer)}
          small
          look={helped === answer ? "secondary" : "ghost"}
          aria-pressed={helped === answer}
          busy={give.isPending && give.variables === answer}
          onClick={() => give.mutate(answer)}
        >
          {answer ? "Yes" : "No"}
        </Button>
      ))}
      <span role="status" className="text-soft">
        {helped !== null && "Noted, thank you."}
      </span>
    </fieldset>
  );
}
