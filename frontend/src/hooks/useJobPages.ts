// The list of jobs, of which only the pages in view are fetched and kept current: ten thousand cost no more than fifty.

import { useQueries, useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import type { Job, JobPage } from "../generated/api";
import { isFinal } from "../lib/job";
import { nextLook, pace } from "../lib/pace";
import type { JobSearch } from "../router";
import { api } from "../services/api";

export const PAGE = 50;
const LIVE = 2000;
const QUIET = 10_000;

const usual = (page: JobPage | undefined) => (page?.items.some((job) => !isFinal(job)) ? LIVE : QUIET);

export interface JobList {
  total: number;
  at: (index: number) => Job | undefined;
  error: Error | null;
  failedAt: number;
  dataAt: number;
  retryAt: number | null;
  /** Nothing has come yet. */
  empty: boolean;
  refetch: () => void;
}

/** Jobs by their place in the list, with the pages from `first` to `last` being fetched. */
export function useJobPages(wanted: JobSearch, first: number, last: number): JobList {
  const numbers = Array.from({ length: last - first + 1 }, (_, step) => first + step);
  const found = useQueries({
    queries: numbers.map((number) => ({
      queryKey: ["jobs", wanted, number],
      queryFn: () =>
        api.jobs({
          q: wanted.q,
          status: wanted.status,
          code: wanted.code,
          dataset_id: wanted.dataset,
          unresolved: wanted.unresolved,
          offset: number * PAGE,
          limit: PAGE,
        }),
      refetchInterval: (query: { state: { data?: JobPage } & Parameters<typeof pace>[1] }) =>
        pace(usual(query.state.data), query.state),
    })),
  });
  const pages = new Map(found.map((query, step) => [numbers[step], query.data]));
  const failed = found.find((query) => query.error);
  const newest = found.filter((query) => query.data).sort((a, b) => b.dataUpdatedAt - a.dataUpdatedAt)[0];
  const list: JobList = {
    total: newest?.data?.total ?? 0,
    at: (index) => pages.get(Math.floor(index / PAGE))?.items[index % PAGE],
    error: failed?.error ?? null,
    failedAt: failed?.errorUpdatedAt ?? 0,
    dataAt: newest?.dataUpdatedAt ?? 0,
    retryAt: failed ? nextLook(usual(failed.data), failed) : null,
    empty: !newest,
    refetch: () => {
      for (const query of found) query.refetch();
    },
  };
  // What was shown stays until the answer to another question is there.
  const kept = useRef(list);
  if (!list.empty || list.error) kept.current = list;
  return list.empty && !list.error ? { ...kept.current, empty: kept.current.empty } : list;
}

export function useJobSummary({ q, dataset }: JobSearch) {
  return useQuery({
    queryKey: ["jobs", "summary", q, dataset],
    queryFn: () => api.jobSummary({ q, dataset_id: dataset }),
    refetchInterval: ({ state }) => pace(LIVE * 2, state),
    placeholderData: (old) => old,
  });
}
