import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useRef } from "react";
import { PageError } from "../components/Failures";
import { Filters } from "../components/failures/Filters";
import { GroupRow } from "../components/failures/GroupRow";
import { Week } from "../components/failures/Week";
import { RefetchBanner } from "../components/RefetchBanner";
import { Button, Card, Empty, Loading, linkClass, PageHead } from "../components/ui";
import { errorCodes, isErrorCode } from "../generated/errorCodes";
import { distinct, renewed, useErrorGroups } from "../hooks/useErrorGroups";
import { useHotkeys } from "../hooks/useHotkeys";
import { useRowKeys } from "../hooks/useRowKeys";
import { useTitle } from "../hooks/useTitle";
import { many, narrowed, pastedId } from "../lib/errorGroups";
import { nextLook } from "../lib/pace";
import type { FailureSearch } from "../router";

export function FailuresPage() {
  const search = useSearch({ from: "/failures" });
  const navigate = useNavigate({ from: "/failures" });
  const searchBox = useRef<HTMLInputElement>(null);
  const rows = useRef<HTMLUListElement>(null);
  const list = useErrorGroups(search);
  useTitle("Failures");
  const only = useCallback(
    (wanted: FailureSearch) => navigate({ search: wanted, replace: true }),
    [navigate],
  );
  const narrow = useCallback(
    (change: FailureSearch) => navigate({ search: (old) => ({ ...old, ...change }), replace: true }),
    [navigate],
  );
  const more = () => {
    if (list.hasNextPage && !list.isFetchingNextPage) list.fetchNextPage();
  };
  useHotkeys({ "/": () => searchBox.current?.focus() });
  useRowKeys(rows, more);

  const groups = list.data && distinct(list.data.pages);
  return (
    <>
      <PageHead title="Failures">
        {groups && (
          <span className="text-soft" role="status">
            {counted(groups.length, list.hasNextPage)}
          </span>
        )}
      </PageHead>
      {!narrowed({ ...search, state: undefined }) && <Week />}
      <Filters search={search} onChange={narrow} onOnly={only} box={searchBox} />
      {search.code && <AboutCode code={search.code} />}
      {list.error && groups && (
        <RefetchBanner
          error={list.error}
          failedAt={list.errorUpdatedAt}
          dataAt={list.dataUpdatedAt}
          retryAt={nextLook(renewed(list.data), list)}
          onRetry={() => list.refetch()}
        />
      )}
      {!groups && list.error && <PageError error={list.error} onRetry={() => list.refetch()} />}
      {!groups && !list.error && <Loading what="failures" rows={6} />}
      {groups && (
        <Card flush>
          {groups.length > 0 ? (
            <ul ref={rows} className={`divide-y divide-line ${list.isPlaceholderData ? "opacity-60" : ""}`}>
              {groups.map((group) => (
                <li key={group.group_id}>
                  <GroupRow group={group} onNarrow={narrow} />
                </li>
              ))}
            </ul>
          ) : (
            <Nothing search={search} onAll={only} />
          )}
          {list.hasNextPage && (
            <div className="border-t border-line p-3 text-center">
              <Button busy={list.isFetchingNextPage} onClick={more}>
                {list.isFetchingNextPage ? "Loading more" : "Show more"}
              </Button>
            </div>
          )}
        </Card>
      )}
    </>
  );
}

const counted = (count: number, more: boolean) =>
  more ? `${count.toLocaleString("en")} of more kinds` : many(count, "kind");

/** What the list is narrowed to, in words. */
function AboutCode({ code }: { code: string }) {
  return (
    <p className="mb-3 flex flex-wrap items-center gap-x-3 gap-y-1 rounded-lg border border-line bg-panel px-4 py-2">
      <strong className="min-w-0 flex-1 basis-40 font-medium">
        {isErrorCode(code) ? errorCodes[code].title : code}
      </strong>
      <a href={`/errors/${code}`} target="_blank" rel="noreferrer" className={linkClass}>
        About {code}
      </a>
    </p>
  );
}

function Nothing({ search, onAll }: { search: FailureSearch; onAll: (search: FailureSearch) => void }) {
  const { state, ...rest } = search;
  const all = <Button onClick={() => onAll({})}>Show all failures</Button>;
  if (search.q && pastedId(search.q)) {
    return (
      <Empty title="No failure is kept under this id" action={all}>
        It may be older than what is kept, one of a storm that was counted only, or not yours to see. A
        failure of this moment can take a second to appear.
      </Empty>
    );
  }
  if (state && narrowed(rest)) {
    return (
      <Empty
        title={`Nothing fits that is ${state}`}
        action={<Button onClick={() => onAll(rest)}>Search in all states</Button>}
      >
        There may be others that were resolved, or are ignored.
      </Empty>
    );
  }
  if (state === "unresolved") {
    return (
      <Empty title="Nothing is unresolved" action={all}>
        Every kind of failure was resolved or is ignored, or nothing has failed yet.
      </Empty>
    );
  }
  if (narrowed(search)) {
    return (
      <Empty title="No failure fits what you look for" action={all}>
        There may be others: clear the search and the filters.
      </Empty>
    );
  }
  return (
    <Empty title="Nothing has failed yet">
      Failures of trainings, of the interface and of this page will stand here, one kind in a row.
    </Empty>
  );
}
