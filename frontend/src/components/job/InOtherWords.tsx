// What a language model says of a failure, beside the verdict and never in its place. Nobody gets an error for want of words.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Explanation, Job, PublicError } from "../../generated/api";
import { jobKeys } from "../../lib/jobKeys";
import { api } from "../../services/api";
import { Code } from "../Code";
import { Button } from "../ui";

const LOOK_AGAIN = 4000;

interface InOtherWordsProps {
  job: Job;
  error: PublicError;
}

/** The model is asked on a click; words that are there already are shown at once. Without a model there is no such block. */
export function InOtherWords({ job, error }: InOtherWordsProps) {
  const id = job.job_id;
  const [wanted, setWanted] = useState(false);
  const key = [...jobKeys.job(id), "explanation", error.code];
  const kept = useQuery({
    queryKey: [...key, "kept"],
    queryFn: () => api.explanation(id, false),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  const asked = useQuery({
    queryKey: [...key, "asked"],
    queryFn: () => api.explanation(id, true),
    enabled: wanted,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    refetchInterval: ({ state }) => (state.data?.reason === "pending" ? LOOK_AGAIN : false),
  });
  const found = [asked.data, kept.data].find((answer) => answer?.source === "llm");
  if (!found && (kept.isPending || kept.data?.reason === "off")) return null;
  return (
    <section aria-label="In other words" className="mt-3 border-t border-line pt-2">
      <h4 className="text-[13px] font-medium">In other words</h4>
      {found ? (
        <Words found={found} />
      ) : !wanted ? (
        <Button small look="ghost" className="-ml-2" onClick={() => setWanted(true)}>
          Ask a language model to explain
        </Button>
      ) : asked.isFetching || asked.data?.reason === "pending" ? (
        <p role="status" className="text-[13px] text-soft">
          An explanation is being written.
        </p>
      ) : (
        <Catalogue error={error} reason={asked.data?.reason} onAsk={() => asked.refetch()} />
      )}
    </section>
  );
}

function Words({ found }: { found: Explanation }) {
  return (
    <>
      <p className="mt-1 break-words">{found.text}</p>
      <p className="mt-1 text-[13px] text-soft">Worded by {found.model ?? "a model"}; the verdict is not.</p>
    </>
  );
}

interface CatalogueProps {
  error: PublicError;
  reason: Explanation["reason"] | undefined;
  onAsk: () => void;
}

/** What is known of the failure without a model. A day's budget that is used up is back tomorrow, not on a click. */
function Catalogue({ error, reason, onAsk }: CatalogueProps) {
  const spent = reason === "budget";
  return (
    <>
      <p className="mt-1 break-words">
        <Code text={[error.message, error.suggested_action].filter(Boolean).join(" ")} />
      </p>
      <p className="mt-1 flex flex-wrap items-center gap-x-2 text-[13px] text-soft">
        {spent
          ? "The model has been asked as often as it may be today (UTC); these are the catalogue's words."
          : "No model has answered; these are the catalogue's words."}
        {!spent && (
          <Button small look="ghost" onClick={onAsk}>
            Ask again
          </Button>
        )}
      </p>
    </>
  );
}
