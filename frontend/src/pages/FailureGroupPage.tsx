import { Link, useParams } from "@tanstack/react-router";
import { Link2 } from "lucide-react";
import { PageError } from "../components/Failures";
import { Fingerprints } from "../components/failures/Fingerprints";
import { Impact } from "../components/failures/Impact";
import { Occurrences } from "../components/failures/Occurrences";
import { StateCard } from "../components/failures/StateCard";
import { TrendCard } from "../components/failures/Trend";
import { What, WhatToDo } from "../components/failures/What";
import { RefetchBanner } from "../components/RefetchBanner";
import { StatusBadge } from "../components/Status";
import { Button, buttonClass, Loading, linkClass, PageHead } from "../components/ui";
import type { GroupDetail } from "../generated/api";
import { useCopy } from "../hooks/useCopy";
import { EVERY, useErrorGroup } from "../hooks/useErrorGroups";
import { useHotkeys } from "../hooks/useHotkeys";
import { useTitle } from "../hooks/useTitle";
import { nextLook } from "../lib/pace";

export function FailureGroupPage() {
  const { groupId } = useParams({ from: "/failures/$groupId" });
  // Another group is another page: no note that was typed for the one before stays.
  return <OneGroup key={groupId} id={groupId} />;
}

function OneGroup({ id }: { id: string }) {
  const found = useErrorGroup(id);
  useTitle(found.data ? found.data.title : `Failure ${id}`);
  if (!found.data) {
    return found.error ? (
      <PageError error={found.error} onRetry={() => found.refetch()} />
    ) : (
      <Loading what={`failure ${id}`} rows={5} />
    );
  }
  return (
    <>
      <Head group={found.data} />
      {found.error && (
        <RefetchBanner
          error={found.error}
          failedAt={found.errorUpdatedAt}
          dataAt={found.dataUpdatedAt}
          retryAt={nextLook(EVERY, found)}
          onRetry={() => found.refetch()}
        />
      )}
      <Parts group={found.data} />
    </>
  );
}

/** Problem, what to do and impact first on a narrow screen too; the single failures last. */
function Parts({ group }: { group: GroupDetail }) {
  return (
    <div className="grid gap-4 lg:grid-rows-[auto_1fr] lg:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
      <div className="flex min-w-0 flex-col gap-4">
        <What group={group} />
        <WhatToDo group={group} />
        <TrendCard group={group} />
      </div>
      <div className="flex min-w-0 flex-col gap-4 lg:row-span-2">
        <StateCard group={group} />
        <Impact group={group} />
        <Fingerprints group={group} />
      </div>
      <Occurrences group={group} />
    </div>
  );
}

function Head({ group }: { group: GroupDetail }) {
  const copy = useCopy();
  const link = () => copy(location.href, "Link copied");
  useHotkeys({ c: link });
  return (
    <PageHead
      title={group.title}
      above={
        <Link to="/failures" search={{ state: "unresolved" }} className={linkClass}>
          Failures
        </Link>
      }
    >
      <StatusBadge status={group.state} />
      {group.source === "job" && (
        <Link to="/" search={{ code: group.code }} className={buttonClass("secondary", true)}>
          Jobs with {group.code}
        </Link>
      )}
      <Button small onClick={link}>
        <Link2 aria-hidden className="size-4" /> Copy link
      </Button>
    </PageHead>
  );
}
