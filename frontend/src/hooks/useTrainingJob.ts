// One job as it is now: fetched once, kept up by live events, fetched again where events do not tell all.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import type { Artifact, Attempt, EpochFigures, Job, JobEvent } from "../generated/api";
import { settled } from "../lib/job";
import { reduceEpochs, reduceJob, stale } from "../lib/jobEvents";
import { jobKeys } from "../lib/jobKeys";
import { LogStore } from "../lib/logStore";
import { tell } from "../lib/tell";
import { ApiError, api } from "../services/api";
import { type Connection, type Watch, watchJob } from "../services/live";

/** While live updates are paused, and while MLflow is away. */
const POLL_SOON = 5000;
/** Silence is told by heartbeats, and how MLflow stands by nobody: no events. So a job is looked at again now and then. */
const POLL_WHILE_OPEN = 10_000;
/** Pieces of log that are asked for at once: few at first, for each may be large, more where they are small. */
const LOG_PAGE = { first: 40, most: 500, characters: 400_000 };

/** An answer that was under way while events came in must not turn the job back. */
export function newerJob(known: unknown, fetched: unknown): unknown {
  const [old, fresh] = [known as Job | undefined, fetched as Job];
  return old && old.job_id === fresh.job_id && old.last_seq > fresh.last_seq ? old : fresh;
}

function mergedEpochs(known: unknown, fetched: unknown): unknown {
  const old = (known as EpochFigures[] | undefined) ?? [];
  const fresh = fetched as EpochFigures[];
  const has = new Set(fresh.map((item) => `${item.attempt}/${item.epoch}`));
  return [...fresh, ...old.filter((item) => !has.has(`${item.attempt}/${item.epoch}`))];
}

async function fetchLogs(jobId: string, store: LogStore) {
  let after = store.lastSeq;
  let limit = LOG_PAGE.first;
  for (;;) {
    const page = await api.logs(jobId, after, limit);
    await store.load(page.items);
    if (page.next === null) break;
    after = page.next;
    const size = page.items.reduce((sum, piece) => sum + piece.text.length, 0);
    limit = Math.min(
      LOG_PAGE.most,
      Math.max(1, Math.floor((limit * LOG_PAGE.characters) / Math.max(size, 1))),
    );
  }
  store.loaded();
  return true;
}

/** `jobId` stays the same while the component lives: a page of another job is another page. */
export function useTrainingJob(jobId: string) {
  const client = useQueryClient();
  const [error, setError] = useState<ApiError | null>(null);
  const [connection, setConnection] = useState<Connection>({ status: "connecting", retryAt: null });
  const [log] = useState(() => new LogStore());
  const watch = useRef<Watch | null>(null);
  const paused = connection.status === "paused";

  const job = useQuery({
    queryKey: jobKeys.job(jobId),
    queryFn: () => api.job(jobId),
    structuralSharing: newerJob,
    refetchInterval: ({ state }) => {
      if (paused || state.data?.mlflow?.state === "behind") return POLL_SOON;
      return state.data && !settled(state.data) ? POLL_WHILE_OPEN : false;
    },
  });
  const known = job.data !== undefined;
  const metrics = useQuery({
    queryKey: jobKeys.metrics(jobId),
    queryFn: async () => (await api.metrics(jobId)).items,
    structuralSharing: mergedEpochs,
    enabled: known,
  });
  const attempts = useQuery<Attempt[]>({
    queryKey: jobKeys.attempts(jobId),
    queryFn: async () => (await api.attempts(jobId)).items,
    enabled: known,
  });
  const artifacts = useQuery<Artifact[]>({
    queryKey: jobKeys.artifacts(jobId),
    queryFn: async () => (await api.artifacts(jobId)).items,
    enabled: known,
  });
  const logs = useQuery({
    queryKey: ["job", jobId, "logs", log.id],
    queryFn: () => fetchLogs(jobId, log),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    enabled: known,
  });

  const apply = useCallback(
    (events: JobEvent[]) => {
      client.setQueryData<Job>(jobKeys.job(jobId), (old) => old && events.reduce(reduceJob, old));
      client.setQueryData<EpochFigures[]>(
        jobKeys.metrics(jobId),
        (old) => old && events.reduce(reduceEpochs, old),
      );
      log.live(events.filter((event) => event.type === "log"));
      const again = stale(events);
      // The job's own key is the beginning of all the others'.
      if (again.job || again.signs) client.invalidateQueries({ queryKey: jobKeys.job(jobId), exact: true });
      if (again.attempts) client.invalidateQueries({ queryKey: jobKeys.attempts(jobId) });
      if (again.artifacts || again.job) client.invalidateQueries({ queryKey: jobKeys.artifacts(jobId) });
    },
    [client, jobId, log],
  );

  useEffect(() => {
    if (!known) return;
    const seen = () => client.getQueryData<Job>(jobKeys.job(jobId))?.last_seq ?? 0;
    let last = seen();
    const watching = watchJob(jobId, {
      since: () => last,
      events: (events) => {
        last = Math.max(last, ...events.map((event) => event.seq ?? 0));
        apply(events);
      },
      connection: setConnection,
    });
    watch.current = watching;
    return () => watching.close();
  }, [known, client, jobId, apply]);

  const handleError = useCallback((failure: Error) => {
    tell(failure);
    if (failure instanceof ApiError) setError(failure);
  }, []);
  const clearError = useCallback(() => setError(null), []);
  const retryNow = useCallback(() => watch.current?.retryNow(), []);

  return {
    job,
    metrics,
    attempts,
    artifacts,
    log,
    logs,
    connection,
    retryNow,
    error,
    handleError,
    clearError,
  };
}

export type TrainingJobView = ReturnType<typeof useTrainingJob>;
