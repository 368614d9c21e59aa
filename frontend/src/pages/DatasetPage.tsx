import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { CheckCircle2, Trash2 } from "lucide-react";
import { useState } from "react";
import { Dialog } from "../components/Dialog";
import { Problems } from "../components/dataset/Problems";
import { ErrorAlert } from "../components/ErrorAlert";
import { PageError } from "../components/Failures";
import { RefetchBanner } from "../components/RefetchBanner";
import { StatusBadge } from "../components/Status";
import { Ago, Button, buttonClass, Card, Facts, Loading, linkClass, PageHead } from "../components/ui";
import type { DatasetReport, Fix } from "../generated/api";
import { useTitle } from "../hooks/useTitle";
import { countsText, problemsText } from "../lib/dataset";
import { bytes } from "../lib/format";
import { pace } from "../lib/pace";
import { tell } from "../lib/tell";
import { ApiError, api } from "../services/api";

const CHECKING = 700;

export function DatasetPage() {
  const { datasetId } = useParams({ from: "/datasets/$datasetId" });
  const report = useQuery({
    queryKey: ["datasets", datasetId],
    queryFn: () => api.report(datasetId),
    refetchInterval: ({ state }) => (state.data?.status === "checking" ? pace(CHECKING, state) : false),
  });
  useTitle(report.data?.name ?? datasetId);
  if (report.data) {
    return (
      <>
        {report.error && <RefetchBanner error={report.error} failedAt={report.errorUpdatedAt} />}
        <Shown report={report.data} />
      </>
    );
  }
  if (report.error) return <PageError error={report.error} onRetry={() => report.refetch()} />;
  return <Loading what={`data set ${datasetId}`} />;
}

function Shown({ report }: { report: DatasetReport }) {
  const navigate = useNavigate();
  const id = report.dataset_id;
  const takeFix = (fix: Fix) => navigate({ to: "/new", search: { dataset: id, dataset_fix: fix.id } });
  return (
    <>
      <PageHead
        above={
          <nav aria-label="Breadcrumb">
            <Link to="/datasets" className={linkClass}>
              Data sets
            </Link>{" "}
            / <span className="font-mono">{id}</span>
          </nav>
        }
        title={
          <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
            {report.name}
            <StatusBadge
              status={report.status}
              word={report.status === "failed" ? "Unreadable" : undefined}
            />
          </span>
        }
      >
        <Delete report={report} />
        {report.status !== "failed" && (
          <Link to="/new" search={{ dataset: id }} className={buttonClass("primary", true)}>
            Train on it
          </Link>
        )}
      </PageHead>
      <p className="-mt-3 mb-4 text-soft">{countsText(report)}</p>
      {report.status === "checking" && (
        <p role="status" className="mb-4 rounded-lg border border-info bg-info-ground px-4 py-3">
          Checking every image and label. This page shows what is found as soon as it is done.
        </p>
      )}
      {report.error && (
        <div className="mb-4">
          <ErrorAlert error={new ApiError({ error: report.error })} onFix={takeFix} announce="status">
            {report.why_not_excludable && (
              <p className="mt-1 text-ink">
                Training without these files is not offered: {report.why_not_excludable}.
              </p>
            )}
          </ErrorAlert>
        </div>
      )}
      <div className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_22rem]">
        <section aria-label="Report" className="min-w-0">
          {report.problems.length > 0 && <Problems report={report} />}
          {report.status === "ready" && !report.problems.length && (
            <p className="flex items-center gap-2 rounded-lg border border-line bg-panel px-4 py-3">
              <CheckCircle2 aria-hidden className="size-5 text-good" /> All{" "}
              {report.files.toLocaleString("en")} files were checked, no problem was found.
            </p>
          )}
        </section>
        <Card id="facts" title="Facts" className="self-start">
          <Facts
            items={[
              ["Task", report.task ?? "–"],
              ["Layout", { yolo: "YOLO", imagefolder: "One folder a class" }[report.format ?? ""] ?? "–"],
              ["Files", report.files.toLocaleString("en")],
              ["Size", bytes(report.bytes)],
              ["Problems", problemsText(report) || "–"],
              ["Added", <Ago key="added" at={report.created_at} />],
              ["Classes", report.classes.join(", ") || "–"],
              [
                "Jobs",
                <Link key="jobs" to="/" search={{ dataset: id }} className={linkClass}>
                  Jobs on this data set
                </Link>,
              ],
            ]}
          />
        </Card>
      </div>
    </>
  );
}

function Delete({ report }: { report: DatasetReport }) {
  const [asking, setAsking] = useState(false);
  const client = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => api.removeDataset(report.dataset_id),
    onSuccess: () => {
      client.removeQueries({ queryKey: ["datasets", report.dataset_id] });
      client.invalidateQueries({ queryKey: ["datasets"], exact: true });
      navigate({ to: "/datasets" });
    },
    onError: tell,
  });
  return (
    <>
      <Button small look="danger" onClick={() => setAsking(true)}>
        <Trash2 aria-hidden className="size-4" /> Delete
      </Button>
      {asking && (
        <Dialog title={`Delete ${report.name}?`} onClose={() => setAsking(false)}>
          <p>
            Its {report.files.toLocaleString("en")} files are removed for good. Jobs that were trained on it
            stay.
          </p>
          {remove.error instanceof ApiError && (
            <div className="mt-3">
              <ErrorAlert error={remove.error} onRetry={() => remove.mutate()} />
            </div>
          )}
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={() => setAsking(false)}>Keep it</Button>
            <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
              Delete
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}
