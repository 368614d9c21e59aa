// What a user can do to a job. Failures go to the one place that shows them, and to a toast.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { toast } from "sonner";
import type { Fix, Job } from "../generated/api";
import { jobKeys } from "../lib/jobKeys";
import { keyFor, NO_KEY } from "../lib/requestKey";
import { ApiError, api } from "../services/api";
import { newerJob } from "./useTrainingJob";

export function useJobActions(job: Job, onError: (error: Error) => void, onSuccess: () => void) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const id = job.job_id;
  const [canStopRetrying, setCanStopRetrying] = useState(true);
  const took = (fresh: Job) => {
    client.setQueryData(jobKeys.job(id), (old: unknown) => newerJob(old, fresh));
    onSuccess();
  };
  const cancel = useMutation({ mutationFn: () => api.cancel(id), onSuccess: took, onError });
  const runNow = useMutation({ mutationFn: () => api.runNow(id), onSuccess: took, onError });
  const stopRetrying = useMutation({
    mutationFn: () => api.stopRetrying(id),
    onSuccess: took,
    onError: (error) => {
      // A platform of an older version does not have it.
      if (error instanceof ApiError && [404, 405].includes(error.status)) setCanStopRetrying(false);
      onError(error);
    },
  });
  const key = useRef(NO_KEY);
  const retry = useMutation({
    mutationFn: (fix: Fix | null) => {
      const body = fix ? { fix_id: fix.id } : {};
      key.current = keyFor(key.current, body);
      return api.retry(id, body, key.current.key);
    },
    onSuccess: ({ job_id }, fix) => {
      // Whoever tries again after this wants another job.
      key.current = NO_KEY;
      onSuccess();
      toast.success(fix ? `${job_id} started: ${fix.label}` : `${job_id} started`);
      client.invalidateQueries({ queryKey: jobKeys.job(id) });
      navigate({ to: "/jobs/$jobId", params: { jobId: job_id } });
    },
    onError,
  });
  const diagnose = useMutation({
    mutationFn: (attempt: number) => api.diagnoseAgain(id, attempt),
    onSuccess: (found) => {
      client.invalidateQueries({ queryKey: jobKeys.job(id) });
      toast.success(found.changed ? `New verdict: ${found.code}` : `The verdict is still ${found.code}`);
      onSuccess();
    },
    onError,
  });
  const edit = (fix?: Fix) => navigate({ to: "/new", search: { from: id, fix: fix?.id } });
  const applyFix = (fix: Fix) => (fix.applicability === "safe" ? retry.mutate(fix) : edit(fix));
  return { cancel, runNow, stopRetrying, canStopRetrying, retry, diagnose, edit, applyFix };
}

export type JobActions = ReturnType<typeof useJobActions>;
