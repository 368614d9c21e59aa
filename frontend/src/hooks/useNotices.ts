// Ends of jobs that happen while another page is open.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useLocation, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { toast } from "sonner";
import type { Job } from "../generated/api";
import { isFinal, title } from "../lib/job";
import { jobKeys } from "../lib/jobKeys";
import { pace } from "../lib/pace";
import { toastStays } from "../lib/presentation";
import { api } from "../services/api";

const EVERY = 4000;

/** Jobs that were open at the last look and have ended since, without those whose end was `seen` on their own page. */
export function ended(before: ReadonlySet<string>, jobs: Job[], seen: (id: string) => boolean): Job[] {
  return jobs.filter((job) => before.has(job.job_id) && isFinal(job) && !seen(job.job_id));
}

export function useNotices() {
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const client = useQueryClient();
  const newest = useQuery({
    queryKey: ["notices"],
    queryFn: async () => (await api.jobs({})).items,
    refetchInterval: ({ state }) => pace(EVERY, state),
    enabled: pathname !== "/login",
  });
  const open = useRef<ReadonlySet<string>>(new Set());
  const here = useRef(pathname);
  here.current = pathname;
  useEffect(() => {
    if (!newest.data) return;
    // The page of the job itself shows its end, at its place and in full.
    const seen = (id: string) => {
      const shown = client.getQueryData<Job>(jobKeys.job(id));
      return here.current === `/jobs/${id}` || (shown !== undefined && isFinal(shown));
    };
    for (const job of ended(open.current, newest.data, seen)) {
      if (job.status === "cancelled") continue;
      const action = {
        label: "Open",
        onClick: () => navigate({ to: "/jobs/$jobId", params: { jobId: job.job_id } }),
      };
      const name = `${job.job_id} (${title(job)})`;
      if (job.status === "succeeded") toast.success(`${name} succeeded`, { action });
      else
        toast.error(`${name} failed`, {
          action,
          description: job.error?.message,
          id: job.error?.trace_id || job.job_id,
          duration: toastStays("job-failed-elsewhere"),
        });
    }
    open.current = new Set(newest.data.filter((job) => !isFinal(job)).map((job) => job.job_id));
  }, [newest.data, navigate, client]);
}
