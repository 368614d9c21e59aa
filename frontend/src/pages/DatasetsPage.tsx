import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRef } from "react";
import { Samples } from "../components/dataset/Samples";
import { Upload } from "../components/dataset/Upload";
import { ErrorAlert } from "../components/ErrorAlert";
import { PageError } from "../components/Failures";
import { RefetchBanner } from "../components/RefetchBanner";
import { StatusBadge } from "../components/Status";
import { Ago, buttonClass, Card, Empty, Loading, PageHead } from "../components/ui";
import type { Dataset } from "../generated/api";
import { useHotkeys } from "../hooks/useHotkeys";
import { useTitle } from "../hooks/useTitle";
import { countsText, problemsText } from "../lib/dataset";
import { bytes } from "../lib/format";
import { nextLook, pace } from "../lib/pace";
import { tell } from "../lib/tell";
import { ApiError, api } from "../services/api";

const CHECKING = 700;
const QUIET = 15_000;

export function DatasetsPage() {
  useTitle("Data sets");
  const client = useQueryClient();
  const list = useRef<HTMLUListElement>(null);
  const datasets = useQuery({
    queryKey: ["datasets"],
    queryFn: async () => (await api.datasets()).items,
    refetchInterval: ({ state }) =>
      pace(state.data?.some((item) => item.status === "checking") ? CHECKING : QUIET, state),
  });
  const sample = useMutation({
    mutationFn: api.addSample,
    onSuccess: () => client.invalidateQueries({ queryKey: ["datasets"] }),
    onError: tell,
  });
  const step = (by: number) => {
    const links = [...(list.current?.querySelectorAll<HTMLAnchorElement>("a[data-row]") ?? [])];
    const here = links.indexOf(document.activeElement as HTMLAnchorElement);
    links[Math.max(0, Math.min(links.length - 1, here + by))]?.focus();
  };
  useHotkeys({ j: () => step(1), k: () => step(-1) });
  return (
    <>
      <PageHead title="Data sets" />
      <div className="mb-4 grid gap-4 lg:grid-cols-[minmax(0,1fr)_22rem]">
        <Card id="upload" title="Bring images">
          <Upload />
        </Card>
        <Card id="samples" title="Samples">
          <Samples
            onAdd={(name) => sample.mutate(name)}
            adding={sample.isPending ? (sample.variables ?? null) : null}
          />
          {sample.error instanceof ApiError && (
            <div className="mt-3">
              <ErrorAlert
                error={sample.error}
                onRetry={() => sample.variables && sample.mutate(sample.variables)}
                onDismiss={() => sample.reset()}
              />
            </div>
          )}
        </Card>
      </div>
      {datasets.data && datasets.error && (
        <RefetchBanner
          error={datasets.error}
          failedAt={datasets.errorUpdatedAt}
          dataAt={datasets.dataUpdatedAt}
          retryAt={nextLook(QUIET, datasets)}
          onRetry={() => datasets.refetch()}
        />
      )}
      {datasets.error && !datasets.data && (
        <PageError error={datasets.error} onRetry={() => datasets.refetch()} />
      )}
      {datasets.isLoading && <Loading what="data sets" />}
      {datasets.data && (
        <Card flush>
          {datasets.data.length ? (
            <ul ref={list} className="divide-y divide-line">
              {datasets.data.map((item) => (
                <Row key={item.dataset_id} dataset={item} />
              ))}
            </ul>
          ) : (
            <Empty title="There are no data sets yet">
              Bring a zip of images, or add a sample to try things out.
            </Empty>
          )}
        </Card>
      )}
    </>
  );
}

function Row({ dataset }: { dataset: Dataset }) {
  return (
    <li className="relative grid grid-cols-[minmax(0,1fr)_auto] gap-x-4 gap-y-1 px-4 py-2.5 hover:bg-hover md:grid-cols-[9rem_minmax(0,1fr)_minmax(0,1.2fr)_auto] md:items-center">
      <div className="order-2 justify-self-end md:order-none md:justify-self-start">
        <StatusBadge status={dataset.status} word={dataset.status === "failed" ? "Unreadable" : undefined} />
      </div>
      <div className="order-1 min-w-0 md:order-none">
        <Link
          to="/datasets/$datasetId"
          params={{ datasetId: dataset.dataset_id }}
          data-row
          className="font-medium break-words text-ink no-underline after:absolute after:inset-0 hover:underline"
        >
          {dataset.name}
        </Link>
        <p className="text-[13px] text-soft">
          {dataset.dataset_id !== dataset.name && <span className="font-mono">{dataset.dataset_id} · </span>}
          {bytes(dataset.bytes)} · <Ago at={dataset.created_at} />
        </p>
      </div>
      <div className="order-3 col-span-2 min-w-0 text-[13px] md:order-none md:col-span-1">
        <p>{countsText(dataset)}</p>
        <p className={dataset.errors ? "text-bad" : "text-soft"}>{problemsText(dataset)}</p>
      </div>
      <div className="relative z-1 order-4 col-span-2 md:order-none md:col-span-1">
        {dataset.status !== "failed" && dataset.status !== "checking" && (
          <Link to="/new" search={{ dataset: dataset.dataset_id }} className={buttonClass("secondary", true)}>
            Train<span className="sr-only"> on {dataset.name}</span>
          </Link>
        )}
      </div>
    </li>
  );
}
