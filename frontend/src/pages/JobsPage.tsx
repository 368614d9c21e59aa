import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useRef, useState } from "react";
import { PageError } from "../components/Failures";
import { Filters } from "../components/jobs/Filters";
import { JobRows } from "../components/jobs/JobRows";
import { Reasons, titleOf } from "../components/jobs/Reasons";
import { RetryMany } from "../components/jobs/RetryMany";
import { RefetchBanner } from "../components/RefetchBanner";
import { Button, buttonClass, Card, Empty, Loading, linkClass, PageHead } from "../components/ui";
import type { JobSummary } from "../generated/api";
import { useHotkeys } from "../hooks/useHotkeys";
import { useJobPages, useJobSummary } from "../hooks/useJobPages";
import { useTitle } from "../hooks/useTitle";
import type { JobSearch } from "../router";

export function JobsPage() {
  const search = useSearch({ from: "/" });
  const navigate = useNavigate({ from: "/" });
  const searchBox = useRef<HTMLInputElement>(null);
  const [[first, last], setView] = useState<[number, number]>([0, 0]);
  const { group, ...wanted } = search;
  const list = useJobPages(wanted, first, last);
  const summary = useJobSummary(search);
  useTitle("Jobs");
  const narrow = useCallback(
    (change: JobSearch) => navigate({ search: (old) => ({ ...old, ...change }), replace: true }),
    [navigate],
  );
  const onCode = useCallback((code: string) => narrow({ code }), [narrow]);
  const onView = useCallback(
    (from: number, to: number) => setView((old) => (old[0] === from && old[1] === to ? old : [from, to])),
    [],
  );
  useHotkeys({ "/": () => searchBox.current?.focus() });

  const filtered = Boolean(search.q || search.status || search.code || search.dataset || search.unresolved);
  return (
    <>
      <PageHead title="Jobs">
        {!list.empty && (
          <span className="text-soft" role="status">
            {count(list.total, filtered)}
          </span>
        )}
      </PageHead>
      <Filters search={search} summary={summary.data} onChange={narrow} box={searchBox} />
      {list.error && !list.empty && (
        <RefetchBanner
          error={list.error}
          failedAt={list.failedAt}
          dataAt={list.dataAt}
          retryAt={list.retryAt}
          onRetry={list.refetch}
        />
      )}
      {group && summary.data && <Reasons summary={summary.data} search={search} onCode={onCode} />}
      {search.code && !group && <Reason code={search.code} summary={summary.data} search={search} />}
      {list.empty && list.error && <PageError error={list.error} onRetry={list.refetch} />}
      {list.empty && !list.error && <Loading what="jobs" rows={6} />}
      {!list.empty && (
        <Card flush>
          {list.total > 0 ? (
            <JobRows list={list} onCode={onCode} onView={onView} />
          ) : (
            <Nothing search={search} filtered={filtered} onClear={() => navigate({ search: {} })} />
          )}
        </Card>
      )}
    </>
  );
}

const count = (total: number, filtered: boolean) =>
  `${total.toLocaleString("en")} ${filtered ? "found" : total === 1 ? "job" : "jobs"}`;

interface ReasonProps {
  code: string;
  summary: JobSummary | undefined;
  search: JobSearch;
}

/** What the list is narrowed to, in words, and what can be done about all of it. */
function Reason({ code, summary, search }: ReasonProps) {
  const found = summary?.by_code.find((item) => item.code === code);
  return (
    <div className="mb-3 flex flex-wrap items-center gap-x-3 gap-y-1 rounded-lg border border-line bg-panel px-4 py-2">
      <p className="min-w-0 flex-1 basis-60">
        <strong className="font-medium">{titleOf(code)}</strong>{" "}
        <span className="text-soft">
          {found ? `${found.count} failed with it, ${found.unresolved} unresolved` : "no job failed with it"}
        </span>
      </p>
      <a href={`/errors/${code}`} target="_blank" rel="noreferrer" className={linkClass}>
        About {code}
      </a>
      {found && found.unresolved > 0 && <RetryMany code={code} count={found.unresolved} search={search} />}
    </div>
  );
}

interface NothingProps {
  search: JobSearch;
  filtered: boolean;
  onClear: () => void;
}

function Nothing({ search, filtered, onClear }: NothingProps) {
  if (search.unresolved && !search.q && !search.code && !search.dataset) {
    return (
      <Empty title="Nothing is unresolved" action={<Button onClick={onClear}>Show all jobs</Button>}>
        Every job that failed was tried again, or none has failed.
      </Empty>
    );
  }
  if (filtered) {
    return (
      <Empty title="No job matches your search" action={<Button onClick={onClear}>Show all jobs</Button>}>
        Clear the search and the filters to see all jobs.
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
