import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { PageError } from "../components/Failures";
import { JobRow } from "../components/JobRow";
import { RefetchBanner } from "../components/RefetchBanner";
import { statusWord } from "../components/Status";
import { Button, buttonClass, Card, Empty, inputClass, Loading, PageHead } from "../components/ui";
import type { Job } from "../generated/api";
import { errorCodes } from "../generated/errorCodes";
import { useHotkeys } from "../hooks/useHotkeys";
import { useTitle } from "../hooks/useTitle";
import { isFinal, STATUSES } from "../lib/job";
import type { JobSearch } from "../router";
import { api } from "../services/api";

const LIVE = 2000;
const QUIET = 10_000;
const TYPING = 250;

function useJobs(wanted: JobSearch) {
  return useInfiniteQuery({
    queryKey: ["jobs", wanted],
    queryFn: ({ pageParam }) =>
      api.jobs({
        q: wanted.q,
        status: wanted.status,
        code: wanted.code,
        dataset_id: wanted.dataset,
        cursor: pageParam,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => {
      const open = state.data?.pages.some((page) => page.items.some((job) => !isFinal(job)));
      return open ? LIVE : QUIET;
    },
  });
}

export function JobsPage() {
  const search = useSearch({ from: "/" });
  const navigate = useNavigate({ from: "/" });
  const list = useRef<HTMLUListElement>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const jobs = useJobs(search);
  useTitle("Jobs");
  const narrow = (change: JobSearch) => navigate({ search: (old) => ({ ...old, ...change }), replace: true });
  const step = (by: number) => {
    const links = [...(list.current?.querySelectorAll<HTMLAnchorElement>("a[data-row]") ?? [])];
    const here = links.indexOf(document.activeElement as HTMLAnchorElement);
    links[Math.max(0, Math.min(links.length - 1, here + by))]?.focus();
  };
  useHotkeys({ j: () => step(1), k: () => step(-1), "/": () => searchBox.current?.focus() });

  const found = jobs.data?.pages.flatMap((page) => page.items) ?? [];
  const filtered = Boolean(search.q || search.status || search.code || search.dataset);
  return (
    <>
      <PageHead title="Jobs">
        {jobs.data && <span className="text-soft">{count(jobs.data.pages[0]?.total ?? 0, filtered)}</span>}
      </PageHead>
      <Filters
        key={search.q === undefined ? "none" : "some"}
        search={search}
        onChange={narrow}
        box={searchBox}
      />
      {jobs.data && jobs.error && <RefetchBanner error={jobs.error} failedAt={jobs.errorUpdatedAt} />}
      {jobs.error && !jobs.data && <PageError error={jobs.error} onRetry={() => jobs.refetch()} />}
      {jobs.isLoading && <Loading what="jobs" rows={6} />}
      {jobs.data && (
        <Card flush>
          {found.length ? (
            <Rows jobs={found} list={list} onCode={(code) => narrow({ code })} />
          ) : (
            <Nothing filtered={filtered} onClear={() => navigate({ search: {} })} />
          )}
        </Card>
      )}
      {jobs.hasNextPage && (
        <div className="mt-3 text-center">
          <Button busy={jobs.isFetchingNextPage} onClick={() => jobs.fetchNextPage()}>
            {jobs.isFetchingNextPage ? "Loading older jobs" : "Show older jobs"}
          </Button>
        </div>
      )}
    </>
  );
}

const count = (total: number, filtered: boolean) =>
  `${total} ${filtered ? "found" : total === 1 ? "job" : "jobs"}`;

interface FiltersProps {
  search: JobSearch;
  onChange: (change: JobSearch) => void;
  box: React.RefObject<HTMLInputElement | null>;
}

function Filters({ search, onChange, box }: FiltersProps) {
  const [words, setWords] = useState(search.q ?? "");
  const change = useRef(onChange);
  change.current = onChange;
  const sent = useRef(search.q ?? "");
  useEffect(() => {
    if (words === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = words;
      change.current({ q: words || undefined });
    }, TYPING);
    return () => clearTimeout(timer);
  }, [words]);
  // An address that changes by other ways than typing, such as "Show all jobs", is followed.
  useEffect(() => {
    if ((search.q ?? "") === sent.current) return;
    sent.current = search.q ?? "";
    setWords(sent.current);
  }, [search.q]);
  const toggle = (status: string) => {
    const old = search.status ?? [];
    const next = old.includes(status) ? old.filter((item) => item !== status) : [...old, status];
    onChange({ status: next.length ? next : undefined });
  };
  const leave = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key !== "Escape") return;
    // The browser would empty the field.
    event.preventDefault();
    event.currentTarget.blur();
  };
  return (
    <div className="mb-3 flex flex-col gap-2">
      <input
        ref={box}
        type="search"
        aria-label="Search jobs"
        placeholder="Search id, name, model, data set, code"
        className={inputClass}
        value={words}
        onChange={(event) => setWords(event.target.value)}
        onKeyDown={leave}
      />
      <fieldset className="flex flex-wrap items-center gap-1.5">
        <legend className="sr-only">Show only jobs that are</legend>
        {STATUSES.map((status) => (
          <button
            key={status}
            type="button"
            aria-pressed={search.status?.includes(status) ?? false}
            onClick={() => toggle(status)}
            className="min-h-7 rounded-full border border-line bg-panel px-2.5 text-[13px] text-soft hover:bg-hover aria-pressed:border-accent aria-pressed:bg-accent aria-pressed:text-on-accent"
          >
            {statusWord(status)}
          </button>
        ))}
        <select
          aria-label="Only jobs that failed with"
          className="min-h-7 max-w-52 rounded-full border border-line bg-panel px-2 text-[13px] text-soft"
          value={search.code ?? ""}
          onChange={(event) => onChange({ code: event.target.value || undefined })}
        >
          <option value="">Any code</option>
          {Object.keys(errorCodes).map((code) => (
            <option key={code} value={code}>
              {code}
            </option>
          ))}
        </select>
        {search.dataset && (
          <Chosen label={`Data set ${search.dataset}`} onClear={() => onChange({ dataset: undefined })} />
        )}
      </fieldset>
    </div>
  );
}

function Chosen({ label, onClear }: { label: string; onClear: () => void }) {
  return (
    <Button small onClick={onClear} aria-label={`${label}: do not narrow by it any more`}>
      {label} ×
    </Button>
  );
}

interface RowsProps {
  jobs: Job[];
  list: React.RefObject<HTMLUListElement | null>;
  onCode: (code: string) => void;
}

function Rows({ jobs, list, onCode }: RowsProps) {
  return (
    <ul ref={list} className="divide-y divide-line">
      {jobs.map((job) => (
        <JobRow key={job.job_id} job={job} onCode={onCode} />
      ))}
    </ul>
  );
}

function Nothing({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  if (filtered) {
    return (
      <Empty title="No job fits what you look for" action={<Button onClick={onClear}>Show all jobs</Button>}>
        There may be others: clear the search and the filters.
      </Empty>
    );
  }
  return (
    <Empty
      title="No training has been started yet"
      action={
        <>
          <Link to="/new" className={buttonClass("primary")}>
            New training
          </Link>
          <Link to="/datasets" className={buttonClass()}>
            Bring images
          </Link>
        </>
      }
    >
      Bring a data set, or take one of the samples, and train a model on it.
    </Empty>
  );
}
